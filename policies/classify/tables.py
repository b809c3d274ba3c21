"""The classifier's words, as data: language code, then words; ``word*`` stands for every word that so begins.

Scripts without spaces, and those whose vowel signs part a word, are searched for pieces of text instead of words;
pieces that have spaces of their own are parted by ``|``.
"""

from __future__ import annotations

MAKE = """
en automate containerize containerise
pt automatiz* programe adicione acrescente conecte
es automatiz* añade agrega conecta
fr automatise* ajoute ajoutez connecte
de automatisier* füge verbinde
it automatizz* aggiungi collega
nl automatiseer voeg
sv automatisera programmera
da automatiser programmer tilføj
nb automatiser programmer
fi automatisoi ohjelmoi
pl zautomatyzuj* zaprogramuj* dodaj
cs zautomatizuj* naprogramuj* přidej
sk zautomatizuj* naprogramuj* pridaj
ro automatiz* programează adaugă
hu automatizál* programoz*
tr otomatikleştir* programla* ekle
ru автоматизируй* запрограммируй* добавь*
uk автоматизуй* запрограмуй* додай*
bg автоматизирай* програмирай* добави*
el αυτοματοποίησε προγραμμάτισε πρόσθεσε
ar أضف أتمت برمج
he הוסף הוסיפי אוטומציה
fa برنامه‌نویسی
id tambahkan otomatiskan otomatisasi
sw ongeza
en launch publish setup spin install provision rewrite convert
pt lance lança levante coloque faça monte instale converta
es lanza monta instala publica haz convierte
fr lance lancez monte montez mets mettez installe publie convertis
de stell stelle starte setze veröffentlich* installier* wandle
it metti avvia lancia installa pubblica fai converti
ru опубликуй* установи* подключи* исправь*
tr kaldır yükle başlat kurun
en create build deploy refactor implement design develop migrate configure integrate optimize optimise debug
en automate scaffold
pt cria crie criar construa construir constrói suba sobe subir implante implanta implantar desenvolv* refator*
pt implemente implementa configure otimiz* depur* publique
es crea cree crear créame construye construir construya despliega desplegar despliegue desarrolla desarrollar
es refactoriza implementa implementar configura optimiza diseña diseñar levanta sube depura
fr crée créer créez cree construis construire construisez déploie déployer déployez deploie développe développer
fr développez refactorise implémente implémenter configure optimise conçois concevoir
de erstell* erzeug* baue bauen bau deploy* entwickle entwickeln implementier* refaktorier* konfigurier* optimier*
de entwirf entwerfen programmier* migrier* richte
it crea creare crei costruisci costruire distribuisci sviluppa sviluppare rifattorizza implementa implementare
it configura ottimizza progetta progettare pubblica
nl maak bouw bouwen ontwikkel ontwikkelen implementeer refactor configureer optimaliseer ontwerp deploy zet rol
sv skapa bygg utveckla implementera driftsätt distribuera konfigurera optimera refaktorera designa
da opret byg udvikl implementer udrul konfigurer optimer
nb opprett bygg utvikle utvikl implementer distribuer konfigurer optimaliser lag
fi luo rakenna kehitä toteuta julkaise käyttöön suunnittele optimoi
pl utwórz stwórz zbuduj wdróż zaimplementuj zaprojektuj skonfiguruj zoptymalizuj postaw uruchom zrefaktoryzuj
cs vytvoř* postav* nasaď nasadit implementuj navrhni nakonfiguruj optimalizuj spusť
sk vytvor* postav* nasaď implementuj navrhni
ro creează creeaza crează creează-mi construiește implementează lansează dezvoltă configurează proiectează optimizează
hu hozz létre készíts* építs* telepíts* fejlessz* implementál* tervezz* optimalizál*
tr oluştur* kur inşa geliştir* dağıt* yayınla* tasarla* uygula yapılandır* deploy
ru созда* построй* разверн* разработай* реализуй* настрой* оптимизируй* рефактор* спроектируй* запусти* подними
ru задеплой*
uk створи* побудуй* розгорн* розроби* реалізуй* налаштуй* оптимізуй* підніми
bg създай* изгради* разгърни* внедри* разработи* настрой*
el δημιούργησε δημιουργήστε δημιουργία φτιάξε ανάπτυξε ανέβασε υλοποίησε σχεδίασε βελτιστοποίησε ρύθμισε
ar أنشئ انشئ أنشأ ابن ابني طور طوّر انشر نفذ نفّذ صمم صمّم اصنع
he צור צרי בנה פתח פרוס העלה תכנן ממש
fa بساز بسازید ایجاد مستقر پیاده توسعه طراحی
vi tạo xây triển thiết dựng
id buat buatkan bangun terapkan kembangkan rancang konfigurasikan
uk спроєктуй*
he הגדר
ar إعداد
vi cấu
sw unda tengeneza jenga
"""
MAKE_PIECES = """
ja 公開 起動 書き換え 設定して 追加して 自動化 プログラム
ko 올려 띄워 설치 설정해 추가해 자동화
zh 自动化 自動化 添加 编写 編寫 接入 上线 启动 发布 安装 上線 啟動 發佈 配置
ja 作成 作って 作る 構築 デプロイ 実装 開発 設計 リファクタ 最適化 立ち上げ
ko 만들어 만드 생성 구축 배포 구현 개발 설계 리팩터 리팩토 최적화
zh 创建 建立 构建 搭建 部署 实现 开发 设计 重构 优化 建一个 創建 建構 實作 開發 設計 重構 優化 架設
th สร้าง ปรับใช้ ตั้งค่า พัฒนา ออกแบบ ดีพลอย
hi जोड़ो जोड़ें बनाओ बनाएं बनाएँ बनाइए कॉन्फ़िगर तैनात विकसित डिप्लॉय डिज़ाइन
bn যোগ তৈরি স্থাপন ডিপ্লয় বানাও কনফিগার
ta உருவாக்கு நிறுவு
"""

REASON = """
en prove derive analyze analyse reason evaluate critique diagnose investigate
pt prove demonstre analise raciocine deduza avalie
es demuestra analiza razona deduce evalúa
fr démontre prouve analyse raisonne évalue
de beweise analysiere begründe leite bewerte
it dimostra analizza ragiona valuta
nl bewijs analyseer redeneer
pl udowodnij przeanalizuj
ru докажи* проанализируй* обоснуй* выведи*
uk доведи* проаналізуй*
tr kanıtla ispatla
id buktikan analisis
"""
REASON_PIECES = """
en step by step|think carefully|think through|show your reasoning|explain your reasoning|pros and cons|trade-offs
pt passo a passo|raciocínio
es paso a paso|razonamiento
fr étape par étape|raisonnement
de schritt für schritt|vor- und nachteile
it passo dopo passo|ragionamento
ru шаг за шагом|пошагово
ja 証明|分析|段階的
ko 증명|분석|단계별
zh 证明|證明|分析|一步一步|逐步
"""

REWRITE = """
en summarize summarise summary translate paraphrase proofread shorten tldr
pt resuma resume resumir resumo traduza traduz
es resume resumen resumir resuma traduce traduzca
fr résume résumer résumez resume traduis traduire traduisez
de fasse zusammen zusammenfassen zusammenfassung übersetze übersetz fass
it riassumi riassumere riassunto traduci
nl vat samen samenvatting vertaal
sv sammanfatta översätt
da opsummer sammenfat oversæt
nb oppsummer sammenfatt oversett
fi tiivistä yhteenveto käännä
pl streść podsumuj przetłumacz
cs shrň shrnout přelož
sk zhrň prelož
ro rezumă rezuma traduc*
hu foglald összefogl* fordíts*
tr özetle* çevir*
ru резюмируй* перескажи* суммируй* подытожь* обобщи* сократи* переведи* кратко
uk підсумуй* перекажи* узагальни* переклади* стисло
bg обобщи* резюмирай* преведи*
el περίληψη σύνοψ* συνόψισε μετάφρασε
ar لخص لخّص ترجم
he סכם תרגם
fa خلاصه ترجمه
vi tóm dịch
id ringkas rangkum ringkaskan terjemahkan
sw fupisha tafsiri
"""
REWRITE_PIECES = """
ja 要約 翻訳 まとめ 訳して
ko 요약 번역
zh 总结 總結 概括 摘要 翻译 翻譯
th สรุป แปล
hi सारांश संक्षेप अनुवाद
bn সারাংশ সংক্ষেপ অনুবাদ
ta சுருக்க மொழிபெயர்
"""

GREET = """
en see later soon tomorrow again much appreciated lot perfect bye nice day
pt obrigadas obrigadíssimo até logo amanhã breve mais tudo bem e
es hasta luego mañana pronto mil feliz día qué tal muy
fr à bientôt demain beaucoup bonne journée soirée nuit mille
de bis morgen bald später schön schönen gute nacht sehr alles klar
it a domani presto molte notte buona giornata buon
nl tot morgen straks veel goedenavond erg wel bedankt
sv tusen så mycket då ha det bra kväll
da tusind mange aften farvel
nb tusen takk så mye kveld ha det
fi paljon huomenta iltaa näkemiin
pl bardzo wieczór dobranoc jutra do widzenia
cs moc večer mockrát nashledanou
sk veľmi pekne večer
ro multe foarte mulțumiri seara revedere la
hu szépen nagyon estét reggelt viszlát
tr çok ederiz iyi akşamlar geceler hoşça kal görüşürüz
ru огромное вечера ночи доброй до свидания завтра всё хорошо
uk дуже побачення доброї ночі
bg много довиждане вечер утро
el πολύ πάρα ευχαριστούμε καληνύχτα αντίο
ar جزيلا جزيلاً مع السلامة إلى اللقاء عليكم وعليكم ورحمة الله
he רבה ערב לילה להתראות ביי
fa خیلی متشکر خداحافظ
hi बहुत शुक्रिया अलविदा
bn অনেক আপনাকে
ta மிக்க காலை வணக்கம்
vi nhiều buổi sáng tối tạm biệt anh chị
id banyak sore siang malam sampai jumpa
sw sana kwaheri nzuri
en hi hello hey hiya yo thanks thank you thx ty ok okay yes no yep nope sure great good morning afternoon evening
en night bye goodbye cheers please for your help the so much very welcome cool nice got it there everyone how are
pt oi olá ola obrigado obrigada bom dia boa tarde noite sim não tchau valeu muito
es hola gracias buenos días buenas tardes noches sí adiós muchas vale
fr salut bonjour bonsoir merci oui non beaucoup au revoir coucou
de hallo hi danke guten tag morgen abend ja nein tschüss vielen dank servus moin
it ciao salve grazie buongiorno buonasera sì no mille arrivederci
nl hallo hoi dank je bedankt goedemorgen goedemiddag ja nee doei
sv hej tack ja nej god morgon
da hej tak ja nej god morgen
nb hei takk ja nei god morgen
fi hei moi terve kiitos kyllä ei
pl cześć hej dzień dobry dziękuję dzięki tak nie witaj
cs ahoj dobrý den děkuji díky ano ne čau
sk ahoj dobrý deň ďakujem áno nie
ro bună salut mulțumesc da nu ziua
hu szia helló köszönöm igen nem jó napot
tr merhaba selam teşekkürler teşekkür ederim evet hayır günaydın sağol
ru привет здравствуй здравствуйте спасибо да нет добрый день вечер доброе утро пока большое
uk привіт вітаю дякую так ні добрий день вечір доброго ранку
bg здравей здрасти благодаря да не
el γεια γειά σου σας ευχαριστώ ναι όχι καλημέρα καλησπέρα
ar صباح مساء الخير النور مرحبا مرحبًا أهلا أهلاً السلام عليكم شكرا شكرًا نعم لا
he שלום היי תודה כן לא בוקר טוב
fa صبح شب عصر بخیر سلام ممنون متشکرم بله نه درود
vi xin chào cảm ơn bạn vâng không
id halo hai terima kasih ya tidak selamat pagi siang
sw habari jambo asante ndiyo hapana
"""
GREET_WHOLE = """
ja どうもありがとう どうもありがとうございます ありがとうございました さようなら またね
ja こんにちは こんばんは おはよう おはようございます ありがとう ありがとうございます はい いいえ やあ
ko 정말 고맙습니다 수고하세요 안녕히 가세요 계세요 안녕 안녕하세요 감사합니다 고마워 고마워요 네 아니요
zh 非常感谢 非常感謝 多谢 多謝 谢谢你 謝謝你 再见 再見 晚安 你好 您好 嗨 谢谢 謝謝 好的 是 是的 不 早上好 晚上好
th ขอบคุณครับ ขอบคุณค่ะ ขอบคุณมาก ขอบคุณมากครับ ขอบคุณมากค่ะ ลาก่อน สวัสดี สวัสดีครับ สวัสดีค่ะ ขอบคุณ ใช่ ไม่
hi सुप्रभात शुभ रात्रि नमस्ते नमस्कार धन्यवाद शुक्रिया हाँ नहीं हाय
bn সুপ্রভাত শুভ রাত্রি হ্যালো নমস্কার ধন্যবাদ হ্যাঁ না হাই
ta வணக்கம் நன்றி ஆம் இல்லை
"""

ASK = """
en what what's whats who who's when where which whose define is are was were does did
pt que quem quando onde qual quais quanto quantos quantas
es qué quién cuándo dónde cuál cuánto cuántos cuántas
fr quel quelle quels quelles qui quand où combien
de was wer wann wo welche welcher welches wieviel wieviele
it cosa chi quando dove quale quanto quanti quante qual
nl wat wie wanneer waar welke hoeveel
sv vad vem var vilken vilket
da hvad hvem hvornår hvor hvilken
nb hva hvem når hvor hvilken
fi mikä kuka milloin missä mitä paljonko montako
pl co kto kiedy gdzie jaki jaka jakie ile
cs co kdo kdy kde jaký jaká jaké kolik
sk čo kto kedy kde aký koľko
ro ce cine când unde care cât câte
hu mi mennyi ki mikor hol melyik hány
tr ne kim nerede hangi kaç nedir
ru что кто когда где какой какая какое сколько
uk що хто коли де який яка скільки
bg какво кой кога къде колко
el τι ποιος ποια πότε πού πόσο
ar ما من متى أين كم
he מה מי מתי איפה כמה
fa چه کی کجا چند چیست
id apa siapa kapan dimana berapa
"""
ASK_PIECES = """
en how many|how much|how old|how far|how tall|how long
ja 何|誰|いつ|どこ|とは
ko 무엇|누구|언제|어디|뭐|몇|얼마
zh 什么|什麼|谁|誰|哪|几|多少
th อะไร|ใคร|เมื่อไร|ที่ไหน|กี่|เท่าไร
hi क्या|कौन|कब|कहाँ|कितन
bn কী|কখন|কোথায়|কত
vi là gì|ở đâu|bao nhiêu|khi nào|là ai
"""

TECHNICAL = """
xx api apis rest sql nosql database databases kubernetes docker microservice* regex algorithm* algoritm* python
xx oauth nginx docker git github aws azure script* skrypt* skript* pythonie pythonu
xx typescript javascript java rust golang function functions class error exception typeerror stack server
xx servidor schema redis postgresql mongodb tcp udp http architecture distributed concurrency scalab* latency
xx encryption authentication security vulnerabilit* theorem integral derivative matrix eigenvalue* polynomial
xx probability equation proof gpu cuda compiler kernel tree pipeline throughput fastapi django react
"""
EXPLAIN = """
en explain compare describe differences difference benefits advantages disadvantages why
pt explique explica compare diferenças diferença
es explique explica compara diferencias diferencia cómo
fr explique expliquer compare différences différence pourquoi
de erkläre erklär vergleiche unterschiede unterschied warum
it spiega confronta differenze differenza perché
nl vergelijk verschillen waarom
pl wyjaśnij porównaj różnice dlaczego
ru объясни* сравни* различия почему
tr açıkla karşılaştır* neden nasıl
id jelaskan bandingkan perbedaan mengapa
"""
EXPLAIN_PIECES = """
en how do|how does|how did|how to|how can|how should|how would|what happens
pt como funciona|como faço|por que
fr comment faire|comment fonctionne
de wie funktioniert|wie kann|wie macht
it come funziona|come faccio
ru как работает|как сделать
ja 説明|比較|なぜ|違い
ko 설명|비교해|차이|왜
zh 解释|解釋|比较|比較|为什么|為什麼|区别
th อธิบาย|เปรียบเทียบ|ทำไม
hi समझाओ|समझाइए|तुलना
bn ব্যাখ্যা|তুলনা
"""
LIMITS = """
en must should without include including includes ensure exactly only least most consider considering requirements
en supports
pt deve sem inclua incluindo exatamente somente apenas
es debe sin incluye incluyendo exactamente solo
fr doit sans inclure exactement seulement
de muss soll ohne inklusive genau nur mindestens höchstens
it deve senza includi esattamente solo
ru должен без включая ровно только
"""
