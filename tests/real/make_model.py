"""Makes the engine's model, offline: a two-layer Llama with random weights, a small BPE tokenizer and a chat template.

Runs in the engine's environment: ``python make_model.py FOLDER``. Beside the model it leaves ``scripts.json``: for each
thing that a test wants said, the ``generation_config`` that makes these random weights say it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SENTENCES = [
    "A turnout is the piece of railway track that lets a train change lines.",
    "The small model answers here; the large model answers in the cloud.",
    'Hello! What is the weather in Paris? {"name": "get_weather", "arguments": {"city": "Paris"}}',
    "system user assistant tool 0123456789 one two three four five six seven eight nine\n",
]
"""ASCII alone, so that no token is half of a character; with the line feed that the chat template writes."""

START, END, PAD, OPEN, CLOSE = "<|im_start|>", "<|im_end|>", "<|pad|>", "<tool_call>", "</tool_call>"

CHAT_TEMPLATE = """
{%- if tools %}{{ '<|im_start|>system\nTools: ' + tools | tojson + '<|im_end|>\n' }}{% endif %}
{%- for message in messages %}
{%- if message.role not in ['system', 'user', 'assistant', 'tool'] %}{{ raise_exception('unknown role') }}{% endif %}
{%- if message.role == 'system' and not loop.first %}{{ raise_exception('the system message comes first') }}{% endif %}
{%- if message.role == 'user' and loop.previtem is defined and loop.previtem.role == 'user' %}{{ raise_exception('user turns must alternate') }}{% endif %}
{{- '<|im_start|>' + message.role + '\n' + message.content }}
{%- for call in message.tool_calls or [] %}{{ '<tool_call>' + call.function | tojson + '</tool_call>' }}{% endfor %}
{{- '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""

RESPONSE_TEMPLATE = {
    "defaults": {"role": "assistant"},
    "start_anchor": f"{START}assistant\n",
    "fields": {
        "reasoning_content": {"open": "<think>", "close": "</think>", "content": "text"},
        "tool_calls": {
            "open_pattern": OPEN,
            "close": CLOSE,
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close_pattern": r"<\|im_end\|>", "content": "text"},
    },
}

_CALL = f'{OPEN}{{"name": "get_weather", "arguments": {{"city": "Paris"}}}}{CLOSE}'
SAYINGS = {
    "text": f"The train change lines.{END}",
    "call": f"{_CALL}{END}",
    "text_and_call": f"Hello!{_CALL}{END}",
    "text_call_text": f"one {_CALL}two{END}",
    "thought": f"<think>one two</think>three{END}",
    "text_and_thought": f"one <think>two</think>three{END}",
}


def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of a few hundred tokens."""
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[PAD, START, END], show_progress=False)
    bare.train_from_iterator(SENTENCES, trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=bare, eos_token=END, pad_token=PAD)
    made.add_tokens([OPEN, CLOSE, "<think>", "</think>"])
    made.chat_template = CHAT_TEMPLATE
    made.response_template = RESPONSE_TEMPLATE
    return made


def model(words: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Two layers; the same weights every time."""
    torch.manual_seed(7)
    ends = {"eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=4096, bos_token_id=None, initializer_range=0.5, **ends
    )  # fmt: skip
    made = LlamaForCausalLM(config)
    made.generation_config = GenerationConfig(do_sample=False, **ends)
    return made


def script(words: PreTrainedTokenizerFast, saying: str) -> str:
    """A generation config under which each next token of ``saying`` outweighs everything else."""
    ids = words.encode(saying, add_special_tokens=False)
    biases = [[ids[: end + 1], 1e4 * (end + 1)] for end in range(len(ids))]
    ends = {"eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    return json.dumps({"do_sample": False, "max_new_tokens": 64, "sequence_bias": biases, **ends})


def main(folder: Path) -> None:
    words = tokenizer()
    model(words).save_pretrained(folder)
    words.save_pretrained(folder)
    scripts = {name: script(words, saying) for name, saying in SAYINGS.items()}
    (folder / "scripts.json").write_text(json.dumps(scripts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
