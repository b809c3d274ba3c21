"""What the classifier costs: microseconds a prompt at 100 and 2,000 tokens and on hostile input, and its loading.

Run by ``make route-bench``, or ``python tests/bench/classify.py``. A figure is the median and the 99th percentile of
many single calls in one process, in CPU time of the thread: what the neighbours on a shared machine take is not ours.
"""

import statistics
import subprocess
import sys
import time
import tracemalloc

from policies.classify import PromptView, classify, shipped

ROUNDS = 400
LIMITS = {"100 tokens": 150, "2,000 tokens": 500}
"""Microseconds, median (routing.md, section 4)."""

PROSE = "The committee asked whether the results of 2019, which 34 of its members had doubted, could be shown again. "
CHINESE = "委员会询问2019年的结果是否可以再次展示，其中34名成员曾对此表示怀疑。"
ARABIC = "سألت اللجنة عما إذا كان يمكن عرض نتائج عام 2019 مرة أخرى، وقد شكك فيها 34 عضوًا. "
CODE = "def total(items):\n    return sum(x.price * x.count for x in items if x.price > 0)\n"

PROMPTS = {
    "100 tokens": (PROSE * 4)[:400],
    "2,000 tokens": (PROSE * 80)[:8_000],
    "100 tokens, Chinese": (CHINESE * 4)[:100],
    "2,000 tokens, Chinese": (CHINESE * 60)[:2_000],
    "2,000 tokens, Arabic": (ARABIC * 80)[:5_000],
    "2,000 tokens, code": (CODE * 120)[:8_000],
    "1 MB prose": (PROSE * 10_000)[:1_000_000],
}
HOSTILE = {
    "one word of 1 MB": "a" * 1_000_000,
    "100,000 newlines": "\n" * 100_000,
    "1 MB of newlines": "\n" * 1_000_000,
    "brackets": "[" * 500_000 + "]" * 500_000,
    "nested JSON": '{"a":[' * 160_000,
    "one Chinese character": "字" * 330_000,
    "combining marks": "a" + "\u0301\u0316" * 250_000,
    "ordered marks": "a" + "\u0301" * 220 + "\u0316" * 500_000,
    "options": "A. x\n" * 200_000,
    "points": "- \n" * 300_000,
    "spaces before options": (" " * 8 + "\n") * 100_000,
    "numbers": "1,1." * 250_000,
    "mentions": "@" * 1_000_000,
    "questions": "?" * 1_000_000,
    "quotes": "a'" * 500_000,
    "emoji": "😀" * 250_000,
    "lone surrogates": "\ud800" * 300_000,
    "different words": " ".join(f"w{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}x" for i in range(200_000)),
    "two-letter words": "ab cd " * 160_000,
    "white space": " \t" * 500_000,
}


def timed(text: str, rounds: int) -> tuple[float, float]:
    """(median, 99th percentile) in microseconds."""
    view = PromptView(text=text)
    classify(view)
    taken = []
    for _ in range(rounds):
        start = time.thread_time_ns()
        classify(view)
        taken.append((time.thread_time_ns() - start) / 1_000)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def loading() -> tuple[float, float, float]:
    """(ms for the import, ms for the weights, MiB that the weights keep), in a fresh process and in this one."""
    script = "import time; a=time.perf_counter(); import policies.classify as c; b=time.perf_counter(); c.shipped();"
    script += "print((b-a)*1e3, (time.perf_counter()-b)*1e3)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    shipped.cache_clear()
    tracemalloc.start()
    shipped()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return float(told[0]), float(told[1]), kept / 2**20


def main() -> None:
    imported, loaded, kept = loading()
    print(f"import {imported:.1f} ms, weights {loaded:.1f} ms, {kept:.2f} MiB\n")
    print("| prompt | p50 us | p99 us |\n| --- | --- | --- |")
    over = []
    for name, text in (PROMPTS | HOSTILE).items():
        median, tail = timed(text, ROUNDS)
        print(f"| {name} | {median:.0f} | {tail:.0f} |")
        if median > LIMITS.get(name, 2_000) or tail > 2_000:
            over.append(name)
    print(f"\nover the target: {', '.join(over) or 'none'}")


if __name__ == "__main__":
    main()
