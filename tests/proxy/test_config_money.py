"""Slips that cost money, told before anybody pays: file, line, both numbers and the mend."""

from __future__ import annotations

import subprocess
import sys

import pytest

from proxy.config import ConfigError, load

HEAD = """version: 1
backends:
  gpt: {provider: openai, model: gpt-5.6, credential: k}
  box: {provider: vllm, model: m, cost: {gpu_hour_usd: 2}}
  dry: {provider: vllm, model: dry}
  oss: {provider: vllm, model: oss, price: {input: 0.1, output: 0.2}}
"""
PRICES = "prices:\n  openai/gpt-5.6:\n"


def told(text: str) -> list[str]:
    """What is wrong, or the notices of a good file."""
    try:
        return list(load(text, file="proxy.yaml", env={}).warnings)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]


def entry(text: str) -> list[str]:
    """Of one entry, on line 9."""
    return told(f"{HEAD}{PRICES}    - {text}\naliases: {{a: {{use: [gpt]}}}}\n")


def backend(text: str) -> list[str]:
    """Of one more backend, on line 7."""
    return told(f"{HEAD}  x: {{{text}}}\naliases: {{a: {{use: [gpt]}}}}\n")


OFF = "is more than half off the"


@pytest.mark.parametrize(
    "good",
    [
        "{input: 4, output: 20}",
        "{input: 6, output: 10}",  # half more, half less: no more than that
        "{input: 40, output: 1, confirm: true}",
        "{from: 2026-07-01, input: 7.5, output: 45}",  # the sheet had 5 and 30 then
        "{input: 4, output: 20, input_audio: 999, cache_write_12h: 999}",  # the sheet has no such classes
        "{input: 4, output: 20, tiers: {flex: 0.5, batch: 0.5, turbo: 9}}",
    ],
)
def test_a_price_near_the_sheets_is_good(good: str) -> None:
    assert entry(good) == []


@pytest.mark.parametrize(
    ("bad", "place", "numbers"),
    [
        ("{input: 40, output: 20}", "input", "$40 {} $4"),
        ("{input: 1.99, output: 20}", "input", "$1.99 {} $4"),
        ("{input: 6.01, output: 20}", "input", "$6.01 {} $4"),
        ("{input: 4, output: 20, cached: 4}", "cached", "$4 {} $0.4"),
        ("{input: 4, output: 20, calls: {web_search: 0.01}}", "calls.web_search", "$0.01 {} $10"),
        ("{input: 4, output: 20, above: {272000: {input: 80, output: 30}}}", "above.272000.input", "$80 {} $8"),
        ("{input: 4, output: 20, tiers: {flex: {input: 20, output: 10}}}", "tiers.flex.input", "$20 {} $2"),
        ("{from: 2026-07-01, input: 5, output: 10}", "output", "$10 {} $30"),
    ],
)
def test_a_price_far_off_the_sheet_must_be_confirmed(bad: str, place: str, numbers: str) -> None:
    [line] = entry(bad)
    assert line == (
        f"proxy.yaml:9: prices.openai/gpt-5.6[0].{place}: {numbers.format(OFF)} of the shipped sheet "
        "(genai-prices 0.2.3): mend it, or add 'confirm: true'"
    )


def test_a_backends_own_price_is_compared_at_the_vendors_own_address() -> None:
    row = "provider: openai, model: gpt-5.6, credential: k"
    [line] = backend(f"{row}, price: {{input: 0.4, output: 20}}")
    assert line.startswith("proxy.yaml:7: backends.x.price.input: $0.4 is more than half off the $4")
    assert backend(f"{row}, price: {{input: 0.4, output: 20, confirm: true}}") == []
    assert backend(f"{row}, base_url: 'https://gateway.example/v1', price: {{input: 0.4, output: 20}}") == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{output: 3}", "9: prices.openai/gpt-5.6[0]: 'input' is missing: without it no call has a cost"),
        ("{from: 2026-02-30, input: 4}", "9: prices.openai/gpt-5.6[0].from: '2026-02-30' is no day: write 2026-12-01"),
        ("{from: 1.12.2026, input: 4}", "9: prices.openai/gpt-5.6[0].from: expected"),
        ("{input: -4}", "9: prices.openai/gpt-5.6[0].input: '-4' is not an amount of US dollars: write a number"),
        ("{input: four}", "9: prices.openai/gpt-5.6[0].input: 'four' is not an amount of US dollars"),
        ("{input: '1e400000000'}", "9: prices.openai/gpt-5.6[0].input: '1e400000000' is not an amount of US dollars"),
        ("{inptu: 4}", "9: prices.openai/gpt-5.6[0].inptu: unknown key 'inptu': did you mean 'input'?"),
        ("{input: 4, tiers: {flexx: 0.5}}", "tiers.flexx: no service tier 'flexx': did you mean 'flex'?"),
        ("{input: 4, tiers: {default: 1}}", "tiers.default: the usual tier costs what stands outside 'tiers'"),
        ("{input: 4, tiers: {flex: half}}", "tiers.flex: expected a number or a mapping, got str"),
        ("{input: 4, tiers: {flex: {output: 1}}}", "tiers.flex: 'input' is missing"),
        ("{input: 4, above: {many: {input: 1}}}", "above.many: expected int"),
        ("{input: 4, above: {272000: {output: 1}}}", "above.272000: 'input' is missing"),
        ("{input: 4, output: 20, above: {272000: {input: 8}}}", "above.272000: 'output' is missing"),
        ("{input: 4, output: 20, tiers: {flex: {input: 2}}}", "tiers.flex: 'output' is missing"),
    ],
)
def test_an_entry_that_cannot_be(bad: str, said: str) -> None:
    assert said in entry(bad)[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("openai/gpt-5.6: []", "prices.openai/gpt-5.6: no price stands here: write one, or remove it"),
        (
            "openai/gpt-5.6: [{input: 4}, {input: 4}]",
            "prices.openai/gpt-5.6[1]: a second price from the first day on: give one of them another 'from'",
        ),
        (
            "openai/gpt-5.6: [{from: 2026-12-01, input: 4}, {from: 2026-12-01, input: 4}]",
            "prices.openai/gpt-5.6[1]: a second price from 2026-12-01 on",
        ),
        (
            "{openai/gpt-5.6: [{input: 4}], openai/GPT-5.6: [{input: 4}]}",
            "prices.openai/GPT-5.6: it is the same model as 'openai/gpt-5.6': put both lists into one",
        ),
        ("gpt-5.6: [{input: 4}]", "prices.gpt-5.6: write 'provider/model', as openai/gpt-5.6"),
        ("opnai/gpt-5.6: [{input: 4}]", "prices.opnai/gpt-5.6: no provider 'opnai': did you mean 'openai'?"),
        (
            "openai/gpt-5.5: [{input: 4}]",
            "prices.openai/gpt-5.5 is the price of nobody's model: did you mean 'openai/gpt-5.6'?",
        ),
    ],
)
def test_a_list_that_cannot_be(text: str, said: str) -> None:
    prices = f"prices: {text}" if text.startswith("{") else f"prices: {{{text}}}"
    [line] = told(f"{HEAD}{prices}\naliases: {{a: {{use: [gpt]}}}}\n")
    assert said in line


def test_a_price_for_a_dated_name_or_a_baseline_is_somebodys() -> None:
    text = f"{HEAD}prices: {{openai/gpt-5.6-2026-08-01: [{{input: 4}}], x-ai/grok-4: [{{input: 3, output: 15}}]}}\n"
    assert told(f"{text}aliases: {{a: {{use: [gpt], baseline: x-ai/grok-4}}}}\n") == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("cost: {}", "7: backends.x.cost: it says no cost: write 'gpu_hour_usd', or 'kwh_usd' and 'watts'"),
        (
            "cost: {kwh_usd: 0.3}",
            "7: backends.x.cost.kwh_usd: how much power the machine takes is not said: add 'watts'",
        ),
        ("cost: {gpu_hour_usd: 1, watts: 5}", "7: backends.x.cost.watts: what power costs is not said: add 'kwh_usd'"),
        (
            "cost: {kwh_usd: 1, watts: 5, idle_watts: 1, paid: busy}",
            "7: backends.x.cost.idle_watts: with 'paid: busy' idle time costs nothing",
        ),
        (
            "cost: {gpu_hour_usd: 1}, price: {input: 1, output: 1}",
            "7: backends.x.cost: a backend has either 'price' or 'cost': remove one of them",
        ),
        ("cost: {gpu_hour_usd: -1}", "7: backends.x.cost.gpu_hour_usd: '-1' is not an amount of US dollars"),
        ("price: {output: 1}", "7: backends.x.price: 'input' is missing"),
    ],
)
def test_a_cost_that_cannot_be(bad: str, said: str) -> None:
    [line] = backend(f"provider: vllm, model: m2, {bad}")
    assert said in line


def test_a_vendor_is_not_paid_by_the_hour() -> None:
    [line] = backend("provider: anthropic, model: m, credential: k, cost: {gpu_hour_usd: 1}")
    assert line.endswith("anthropic charges by tokens, not by its machines' time: write 'price' instead")


@pytest.mark.parametrize("word", ["openai/gpt-5.6", "gpt", "oss", "anthropic/claude-sonnet-5", "x-ai/grok-4"])
def test_a_baseline_whose_price_is_known_is_good(word: str) -> None:
    assert told(f"{HEAD}aliases: {{a: {{use: [gpt], baseline: {word}}}}}\n") == []


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("gptt", "no backend 'gptt': did you mean 'gpt'?"),
        ("box", "a machine that is paid by the hour has no price per token: name another backend"),
        ("dry", "'dry' has no price per token: give it a 'price', or name another"),
        ("openai/gpt-5.66", "no price is known of 'openai/gpt-5.66': did you mean 'gpt-5.5'?"),
        ("opnai/gpt-5.6", "no price is known of 'opnai/gpt-5.6': did you mean 'openai'?"),
        ("vllm/dry", "no price is known of 'vllm/dry': write one under prices: vllm/dry"),
    ],
)
def test_a_baseline_that_nobody_can_price(word: str, said: str) -> None:
    [line] = told(f"{HEAD}aliases: {{a: {{use: [gpt], baseline: {word}}}}}\n")
    assert line.startswith("proxy.yaml:7: aliases.a.baseline: ")
    assert said in line


def test_an_entry_makes_a_baseline_known() -> None:
    listed = "prices: {vllm/dry: [{input: 1, output: 2}]}\naliases: {a: {use: [gpt], baseline: vllm/dry}}\n"
    assert told(HEAD + listed) == []
    assert told(HEAD + listed.replace("baseline: vllm/dry", "baseline: dry")) == []


def _loads_the_sheet(text: str, *, compared: bool = False) -> bool:
    code = (
        "import sys; from proxy.config import load\n"
        f"load({text!r}, file='proxy.yaml', env={{}}, compared={compared})\n"
        "sys.exit(bool({'pydantic', 'genai_prices'} & set(sys.modules)))"
    )
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 1


def test_the_sheet_is_loaded_where_there_is_something_to_compare_and_by_no_worker() -> None:
    alias = "aliases: {a: {use: [gpt]}}\n"
    local = "prices: {vllm/m: [{input: 1, output: 2}]}\n"
    assert not _loads_the_sheet(HEAD + local + alias)
    cloud = "prices: {openai/gpt-5.6: [{input: 4, output: 20}]}\n"
    assert _loads_the_sheet(HEAD + cloud + alias)
    assert not _loads_the_sheet(HEAD + cloud + alias, compared=True)
