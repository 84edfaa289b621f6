"""Renders chat templates as the transformers library does.

Run from this folder: python chat_template_golden.py

The templates are written for this test, in the manner of those of Llama 3, Qwen 2.5 and 3, Mistral
and Granite.

To check published templates: python chat_template_golden.py FOLDER REFERENCE
reads every *.jinja in FOLDER and writes what transformers renders for many chats to REFERENCE, which
the class ChatTemplateCheck compares with.
"""

import itertools
import json
import sys
from datetime import datetime
from pathlib import Path

from transformers.utils import chat_template_utils

TEMPLATES = {
    "headers": (
        "{{- bos_token }}\n"
        "{%- if not date_string is defined %}{%- set date_string = '26 Jul 2024' %}{%- endif %}\n"
        "{%- if messages[0]['role'] == 'system' %}\n"
        "    {%- set told = messages[0]['content']|trim %}\n"
        "    {%- set rest = messages[1:] %}\n"
        "{%- else %}\n"
        "    {%- set told = '' %}\n"
        "    {%- set rest = messages %}\n"
        "{%- endif %}\n"
        "{{- '<|head|>system<|/head|>\\n\\nToday: ' + date_string + '\\n\\n' + told + '<|eot|>' }}\n"
        "{%- for message in rest %}\n"
        "    {{- '<|head|>' + message['role'] + '<|/head|>\\n\\n' + message['content'] | trim + '<|eot|>' }}\n"
        "{%- endfor %}\n"
        "{%- if add_generation_prompt %}\n"
        "    {{- '<|head|>assistant<|/head|>\\n\\n' }}\n"
        "{%- endif %}\n"
    ),
    "turns": (
        "{%- if messages[0]['role'] == 'system' %}\n"
        "    {{- '<|start|>system\\n' + messages[0]['content'] + '<|end|>\\n' }}\n"
        "{%- else %}\n"
        "    {{- '<|start|>system\\nYou are kind.<|end|>\\n' }}\n"
        "{%- endif %}\n"
        "{%- for message in messages %}\n"
        "    {%- if (message.role == 'user') or (message.role == 'system' and not loop.first) or (message.role == 'assistant' and not message.tool_calls) %}\n"
        "        {{- '<|start|>' + message.role + '\\n' + message.content + '<|end|>' + '\\n' }}\n"
        "    {%- endif %}\n"
        "{%- endfor %}\n"
        "{%- if add_generation_prompt %}\n"
        "    {{- '<|start|>assistant\\n' }}\n"
        "{%- endif %}\n"
    ),
    "alternating": (
        "{{ bos_token }}{% for message in messages %}"
        "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('roles must take turns') }}{% endif %}"
        "{% if message['role'] == 'user' %}{{ '[ASK] ' + message['content'] + ' [/ASK]' }}"
        "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}"
        "{% else %}{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}"
    ),
    "roles": (
        "{%- if messages[0]['role'] == 'system' %}{%- set told = messages[0]['content'] %}"
        "{%- set rest = messages[1:] %}{%- else %}{%- set told = 'Be brief.' %}"
        "{%- if thinking %}{%- set told = told + ' Think first.' %}{%- endif %}"
        "{%- set rest = messages %}{%- endif %}\n"
        "{{- '<|role|>system<|/role|>' + told + '<|done|>\n' }}\n"
        "{%- for message in rest %}\n"
        "{{- '<|role|>' + message['role'] + '<|/role|>' + message['content'] + '<|done|>\n' }}\n"
        "{%- if loop.last and add_generation_prompt %}\n{{- '<|role|>assistant<|/role|>' }}\n"
        "{%- endif %}\n{%- endfor %}"
    ),
    "marked": (
        "{% for message in messages %}\n{% if message.role == 'assistant' %}\n"
        "{% generation %}{{ message.content }}{% endgeneration %}\n{% else %}\n"
        "[{{ message.role }}] {{ message.content }}\n{% endif %}\n{% endfor %}\n"
        "{% if add_generation_prompt %}[assistant] {% endif %}"
    ),
}

HERE = Path(__file__).parent
RESOURCES = HERE / "../resources/io/distill/huggingface"
TEMPLATES |= {path.stem: path.read_text(encoding="utf-8") for path in sorted(RESOURCES.glob("templates/*.jinja"))}

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


class FixedDate(datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 3, 9, 8, 7, 6)


chat_template_utils.datetime = FixedDate


def message(role, content, **more):
    return {"role": role, "content": content, **more}


def call(name, arguments, **more):
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Gets the \"weather\" <now> & later, in °C.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "The city's name\n(any)"},
                "days": {"type": "integer", "default": 3, "enum": [1, 2, 3]},
                "exact": {"type": ["boolean", "null"], "default": True},
            },
            "required": ["city"],
        },
        "return": {"type": "number", "description": "degrees"},
    },
}
CLOCK = {
    "type": "function",
    "function": {"name": "clock", "description": "Tells the time 🕰", "parameters": {"type": "object", "properties": {}}},
}
ARGUMENTS = {"city": "Köln \"am\" Rhein", "days": 2, "exact": None, "ratio": 1e-05, "tags": ["a", {"b": False}]}
ID = "call12345"

TALKS = [
    [message("user", "Hello there")],
    [message("user", "")],
    [message("user", "  spaces and\nlines \n\n")],
    [message("system", "Be odd. "), message("user", " 1 < 2 & \"so\"\n\nyes? "), message("assistant", "é {{ x }} {% y %}"), message("user", "bye")],
    [message("user", "a"), message("assistant", "b"), message("user", "c"), message("assistant", "d")],
    [message("user", "it's {{ 7 * 7 }} {% if true %} {# no #} \\n 'q' \"r\""), message("assistant", " \n{{ messages }}\n"), message("user", "日本語 🙂👍🏽 ­\u00a0x\u2028y")],
    [message("system", ""), message("user", "x"), message("assistant", "")],
    [message("system", "\n s \t"), message("user", "x")],
    [message("system", "only")],
    [message("assistant", "first")],
    [message("user", "a"), message("user", "b")],
    [message("user", "a"), message("system", "late"), message("user", "b")],
    [message("user", "a"), message("assistant", "<think>\nwhy\n</think>\n\nbecause"), message("user", "b"), message("assistant", "<think>hm</think>ok")],
    [message("user", "a"), message("assistant", "x</think>y</think>z"), message("user", "<tool_response>\nno\n</tool_response>")],
    [message("user", "a"), message("assistant", "because", reasoning_content="let me\nsee "), message("user", "b"), message("assistant", "ok", reasoning_content="hm")],
    [message("user", "a"), message("assistant", "c", thinking="deep")],
    [message("tool", "alone")],
    [message("user", "a"), message("critic", "what role?"), message("assistant", "b")],
    [message("user", [{"type": "text", "text": "part one"}, {"type": "text", "text": " and two"}])],
    [message("system", [{"type": "text", "text": "be kind"}]), message("user", [{"type": "image"}, {"type": "text", "text": "see"}]), message("assistant", [{"type": "text", "text": "yes"}])],
    [message("user", "a"), message("assistant", None)],
    [message("user", "n", name="Ann"), message("assistant", "m", name="Bot"), message("user", "o", weight=0.5, flag=False)],
    [message("developer", "dev"), message("user", "hi")],
    [message("documents", "d"), message("user", "hi")],
]

TOOL_TALKS = [
    [message("user", "weather?")],
    [message("system", "Use tools."), message("user", "weather?"), message("assistant", None, tool_calls=[call("get_weather", ARGUMENTS, id=ID)]), message("tool", "{\"t\": 21.5}", name="get_weather", tool_call_id=ID), message("assistant", "It is 21.5."), message("user", "thanks")],
    [message("user", "both"), message("assistant", "", tool_calls=[call("get_weather", {"city": "B"}, id=ID), call("clock", {}, id="call67890")]), message("tool", "1", name="get_weather", tool_call_id=ID), message("tool", "2 é", name="clock", tool_call_id="call67890")],
    [message("user", "text arguments"), message("assistant", "Let me see.", tool_calls=[call("clock", "{\"a\": 1}", id=ID)]), message("tool", "ok", tool_call_id=ID), message("user", "and?"), message("assistant", "done")],
    [message("user", "no id"), message("assistant", None, tool_calls=[call("clock", {"zone": "UTC"})]), message("tool", {"hour": 7, "ok": True, "list": [1, 2.0, None]})],
    [message("user", "bare"), message("assistant", "", tool_calls=[{"name": "clock", "arguments": {"x": 1}}]), message("tool", [{"type": "text", "text": "seven"}])],
    [message("user", "think"), message("assistant", "", reasoning_content="I need it", tool_calls=[call("clock", {}, id=ID)]), message("tool", " 8 ", name="clock", tool_call_id=ID), message("assistant", "8", reasoning_content="so")],
]

VARIABLES = [
    {},
    {"enable_thinking": False, "date_string": "01 Jan 2026", "thinking": True, "strict": True},
    {"enable_thinking": True, "keep_past_thinking": True, "preserve_thinking": True, "controls": {"length": "short", "originality": "abstractive"}},
]
TOOL_VARIABLES = [
    {"tools": [WEATHER, CLOCK]},
    {"tools": [CLOCK], "enable_thinking": False, "tools_in_user_message": False, "builtin_tools": ["wolfram", "code_interpreter"]},
    {"tools": []},
]
DOCUMENTS = {"documents": [{"doc_id": 1, "title": "T \"1\"", "text": "first\ntext"}, {"doc_id": 2, "title": "é", "text": ""}]}


# what differs from other engines, a construct each, and what is refused
EXPRESSIONS = [
    # printing
    "{{ 1 }} {{ -1 }} {{ 1.0 }} {{ 1e16 }} {{ 1.5e-7 }} {{ 0.1 + 0.2 }} {{ 100000.0 * 3 }} {{ true }} {{ none }} {{ nothing }}",
    "{{ [1, 'a\"b', \"it's\", none, True, 2.5, {'k': [], 'é': '\\n'}] }} {{ () }} {{ (1,) }} {{ 1, 'x' }}",
    "{{ d }} {{ d.items() }} {{ d.keys() }} {{ d.values() | list }} {{ [nothing] }}",
    "{{ '\\x41\\u00e9\\U0001F642 \\' \\\" \\\\ \\q \\t|' }} {{ 'a' 'b' \"c\" }}",
    # joining and computing
    "{{ 'a' + 'b' }} {{ 'a' ~ 1 ~ none ~ nothing ~ 2.0 }} {{ 'a' + 1 }}",
    "{{ 1 + nothing }}", "{{ 'a' + nothing }}", "{{ nothing + 'a' }}", "{{ none + 'a' }}", "{{ [1] + [2] }} {{ 'ab' * 3 }} {{ [0] * 2 }} {{ 2 * 'x' }}",
    "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 6 / 2 }} {{ 2 ** 3 }} {{ 2 ** -1 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ true + 1 }}",
    "{{ 1 / 0 }}", "{{ 1 % 0 }}", "{{ 1 - 2 - 3 }} {{ 2 + 3 * 4 }} {{ (2 + 3) * 4 }} {{ -2 ** 2 }} {{ 10 - 2 ~ 3 }} {{ -3 | abs }}",
    # truth
    "{{ '' or 'x' }} {{ 'a' and 'b' }} {{ 0 or none }} {{ [] and x }} {{ not '' }} {{ not nothing }} {{ nothing or 5 }} {{ 1 and 0 or 2 }} {{ not 1 == 2 }}",
    "{{ 'yes' if t else 'no' }} {{ 'only' if not t }}| {{ 1 if t else 2 if t else 3 }}",
    "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 == true }} {{ '1' == 1 }} {{ 'a' < 'b' }} {{ nothing == nothing2 }} {{ none == nothing }} {{ [1, 2] == [1, 2] }} {{ {'a': 1} == {'a': 1.0} }}",
    "{{ 1 < 'a' }}", "{{ none < 1 }}", "{{ nothing < 1 }}",
    "{{ 'b' in 'abc' }} {{ 'x' not in d }} {{ 'k' in d }} {{ 2 in [1, 2.0] }} {{ 'a' in nothing }} {{ not 'a' in 'b' }}", "{{ 1 in 'a1' }}", "{{ 'a' in none }}",
    # members
    "{{ d.k }} {{ d['k'] }} {{ d.missing }}| {{ d['missing'] }}| {{ d.list[0] }} {{ d.list[-1] }} {{ d.list[9] }}| {{ d.list.0 }} {{ 'héllo🙂'[5] }} {{ 'abc'[-1] }} {{ 'abc'[7] }}| {{ none.x }}| {{ none[0] }}|",
    "{{ nothing.x }}", "{{ d.missing.x }}", "{{ d.missing['x'] }}", "{{ nothing() }}", "{{ d.k() }}", "{{ d.nested.deep.er }}", "{{ d.__class__ }}|", "{{ ''.__class__.__mro__ }}",
    "{{ 'abcdef'[1:3] }} {{ 'abcdef'[:-2] }} {{ 'abcdef'[-2:] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[4:1:-2] }} {{ [1,2,3][1:] }} {{ [1,2,3][::-1] }} {{ '🙂é'[1:] }} {{ (1,2,3)[:2] }} {{ [1][5:] }}", "{{ d.n[1:] }}", "{{ d[1:] }}", "{{ nothing[1:] }}",
    "{% for x in [1,2,3,4][::-1] %}{{ x }}{{ loop.index }}{{ loop.revindex }},{% endfor %}",
    # texts
    "{{ ' a b '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'a\\u00a0\\u2003\\x1c'.strip() }}|{{ '\\n\\na\\n'.lstrip('\\n') }}|",
    "{{ ' a  b '.split() }} {{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a b c'.rsplit(' ', 1) }} {{ ' a b  c '.split(none, 1) }} {{ 'abc'.split('</think>')[-1] }} {{ 'a</t>b</t>c'.split('</t>')[0].split('<t>')[-1] }}",
    "{{ 'a'.split('') }}", "{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'abc'.startswith('b', 1) }} {{ 'abcabc'.find('c') }} {{ 'abcabc'.rfind('c') }} {{ 'abc'.find('x') }} {{ '🙂a'.find('a') }}",
    "{{ 'aXbX'.replace('X', '-') }} {{ 'aXbX'.replace('X', '-', 1) }} {{ 'ab'.replace('', '.') }} {{ 'ab'.upper() }} {{ 'AB'.lower() }} {{ \"they're bill's\".title() }} {{ 'hELLO wORLD'.capitalize() }} {{ 'a\\nb\\r\\nc\\n'.splitlines() }}",
    "{{ ', '.join(['a', 'b']) }} {{ 'x'.join('abc') }}", "{{ ', '.join([1]) }}", "{{ 'ab'.removeprefix('a') }} {{ 'ab'.removesuffix('b') }} {{ '12'.isdigit() }} {{ ''.isdigit() }}", "{{ 'a'.nonsense() }}", "{{ 'a'.strip(1) }}", "{{ none.strip() }}", "{{ 5.strip() }}",
    # dicts and lists
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %} {% for k in d %}{{ k }} {% endfor %} {{ d.get('k') }} {{ d.get('no') }} {{ d.get('no', 7) }} {{ d.items() | list | length }} {{ d.keys() | join(',') }}",
    "{{ d.update({'a': 1}) }}", "{{ d.list.append(1) }}", "{% set d.x = 1 %}", "{{ d.items()[0] }}|", "{% for a, b in [[1, 2, 3]] %}{% endfor %}", "{% for a, b in [1] %}{% endfor %}", "{% for x in none %}{% endfor %}", "{% for x in 5 %}{% endfor %}", "{% for x in nothing %}x{% else %}none{% endfor %}",
    "{{ {'b': 2, 'A': 1, 'c': 0} | dictsort }} {{ {'b': 2, 'A': 1} | dictsort(true) }} {{ {'b': 2, 'a': 9} | dictsort(by='value', reverse=true) }} {{ {'a': 1} | items | list }} {{ nothing | items | list }}", "{{ dict(a=1, b='x') }} {{ dict([['k', 1]]) }} {{ range(3) | list }} {{ range(5, 0, -2) | list }}",
    # filters
    "{{ '  a ' | trim }}| {{ 'xax' | trim('x') }} {{ none | trim }} {{ nothing | trim }}| {{ 5 | string + 'a' }} {{ 'ab' | upper }} {{ 'AB' | lower }} {{ 'hello big-world' | title }} {{ 'aB' | capitalize }} {{ 'aXa' | replace('a', 'b', 1) }} {{ 123 | replace('2', 'x') }}",
    "{{ [1, none, 'a'] | join('-') }} {{ 'abc' | join(',') }} {{ nothing | join }}| {{ l | join(', ', attribute='n') }} {{ [1,2] | length }} {{ 'é🙂' | length }} {{ d | count }} {{ nothing | length }}", "{{ 5 | length }}", "{{ none | length }}", "{{ l | selectattr('n', 'equalto', 'x') | length }}",
    "{{ nothing | default('x') }} {{ '' | default('x') }}| {{ '' | default('x', true) }} {{ none | default('x') }} {{ none | d('x', boolean=true) }} {{ [1,2,3] | first }} {{ [1,2,3] | last }} {{ [] | first }}| {{ 'abc' | last }} {{ 'abc' | list }} {{ 'abc' | reverse }} {{ [1,2] | reverse | list }}",
    "{{ '42' | int }} {{ '4.7' | int }} {{ 'x' | int }} {{ 'x' | int(-1) }} {{ 3.9 | int }} {{ '1.5' | float }} {{ none | int }} {{ true | int }} {{ 2 | float }}", "{{ nothing | int }}",
    "{{ l | selectattr('n') | map(attribute='n') | list }} {{ l | selectattr('n', 'equalto', 'x') | list }} {{ l | rejectattr('n', 'in', ['x']) | map(attribute='v') | list }} {{ [0, 1, '', 'a'] | select | list }} {{ [1, 2, 3] | reject('odd') | list }} {{ ['a', 'b'] | map('upper') | join }} {{ l | map(attribute='q', default='?') | list }} {{ l | selectattr('q', 'defined') | list }} {{ none | map('upper') | list }} {{ none | selectattr('a') | list }} {{ l | map(attribute='deep.er') | list }}",
    "{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A'] | sort(case_sensitive=true) }} {{ l | sort(attribute='v', reverse=true) | map(attribute='v') | list }}", "{{ [1, 'a'] | sort }}", "{{ 'a' | nonsense }}", "{{ 'a' is nonsense }}",
    "{{ 'a\\nb\\n\\nc' | indent }} {{ 'a\\nb' | indent(2, true) }} {{ 'a\\n\\nb' | indent('> ', blank=true) }}",
    "{{ '<a>' | safe }} {{ ('<a>' | safe) + '<b>&\\'\"' }} {{ ('<a>' | safe) ~ '<b>' }}",
    # json
    "{{ d | tojson }} {{ l | tojson(indent=2) }} {{ {} | tojson }} {{ [] | tojson(indent=4) }} {{ '<&>\\'\"\\\\/\\n\\t\\x01é🙂\\u2028\\x7f' | tojson }} {{ 1.0 | tojson }} {{ 1e-7 | tojson }} {{ none | tojson }} {{ (1, true) | tojson }}",
    "{{ d | tojson(separators=(',', ':')) }} {{ {'b': 1, 'a': {'d': 1, 'c': 2}} | tojson(sort_keys=true) }} {{ 'é🙂' | tojson(ensure_ascii=true) }} {{ {1: 'a', none: 2, 2.5: 3} | tojson }} {{ [1, [2]] | tojson(indent=0) }} {{ [1, {'a': []}] | tojson(indent='\\t') }}", "{{ nothing | tojson }}", "{{ l | map(attribute='n') | tojson }}",
    # tests
    "{{ x is defined }} {{ d.k is defined }} {{ d.no is not defined }} {{ nothing is undefined }} {{ none is none }} {{ nothing is none }} {{ 'a' is string }} {{ d is mapping }} {{ l is iterable }} {{ 'a' is iterable }} {{ d is sequence }} {{ 5 is iterable }} {{ nothing is iterable }} {{ 5 is number }} {{ true is number }} {{ true is boolean }} {{ 1 is integer }} {{ true is integer }} {{ 1.0 is float }} {{ true is true }} {{ 1 is true }} {{ 0 is false }}",
    "{{ 3 is odd }} {{ 3 is even }} {{ 3 is not odd }} {{ 1 is eq 1 }} {{ 1 is ne(2) }} {{ 1 is in [1, 2] }} {{ 2 is divisibleby 2 }} {{ 1 is lt 2 and 2 is gt 1 }} {{ not x is defined or false }} {{ range is callable }} {{ 'a' if nothing is defined else 'b' }} {{ 1 + 1 is eq 2 }} {{ -1 is lt 0 }}", "{{ nothing.x is defined }}", "{{ nothing is odd }}",
    # blocks
    "{% for x in [1,2,3,4,5] if x % 2 %}{{ loop.index }}/{{ loop.length }}:{{ x }}{{ ',' if not loop.last }}{% if loop.first %}!{% endif %}{% endfor %}", "{% for x in [1] if loop.first %}{{ x }}{% endfor %}", "{% for x in [1,2,3] if x > 5 %}{{ x }}{% else %}no{% endfor %}",
    "{% for x in [1,2,3] %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {{ loop.cycle('a', 'b') }} {{ loop.revindex0 }} {{ loop.depth }}{% for y in 'ab' %}{{ loop.depth0 }}{{ loop.index0 }}{% endfor %} {{ loop.changed(x // 2) }};{% endfor %}",
    "{% for x in range(10) %}{% if x == 2 %}{% continue %}{% elif x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %} {% for k, (a, b) in [[1, [2, 3]]] %}{{ k }}{{ a }}{{ b }}{% endfor %}{% for i in 1, 2 %}{{ i }}{% endfor %}",
    "{% set a = 1 %}{% for x in [1] %}{% set a = 2 %}{{ a }}{% endfor %}{{ a }}{% if true %}{% set a = 3 %}{% endif %}{{ a }} {% set b, c = 1, 2 %}{{ b }}{{ c }} {% set z %}x{{ a }}{% endset %}{{ z }}{% set w | upper %}x{% endset %}{{ w }}",
    "{% set ns = namespace(n=0, s='') %}{% for x in [1,2,3] %}{% set ns.n = ns.n + x %}{% set ns.s = ns.s ~ x %}{% endfor %}{{ ns.n }} {{ ns.s }} {{ ns.missing }}| {{ namespace({'a': 1}).a }}", "{% set ns = namespace() %}{% set ns._x = 1 %}", "{{ namespace(a=1)['a'] }}|",
    "{% macro m(a, b='x', c=none) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(c=3, a=4) }}{{ m() }}{{ m(*[1, 2]) }}{{ m(**{'a': 9}) }}{% set r = m(1) | length %}{{ r }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(z=2) }}",
    "{% set g = 5 %}{% macro m() %}{{ g }}{{ nothing }}{% endmacro %}{{ m() }}{% set g = 6 %}{{ m() }} {% macro w() %}<{{ caller() }}>{% endmacro %}{% call w() %}in{{ g }}{% endcall %} {% filter upper %}ab{{ g }}{% endfilter %} {% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "a{% raw %} {{ x }} {% if %} {# #} {% endraw %}b{# c {{ #}d {{ '}}' }} {{ '{%' }} {{ \"%}\" }} {% if '%}' == \"%}\" %}y{% endif %} {{ {'a': {'b': 1}}['a'] }}|{{ {'a': {}}}}",
    "a \n  {%- if true -%}  \n b \n {%- endif %}\n c\n  {% if true %}\n  d\n  {% endif %}\ne {% if true %} f {% endif %} g\n{{- 1 -}}\n h\n  {{ 2 }}\n  {#- x -#}\n i\n  {# y #}\n j {# z #}\n\n",
    "  {%+ if true %}\n a\n  {%+ endif +%}\nb\n\t{% if true %}\n\n c\n{% endif %} \r\nd\re\n  {% raw %}\n r \n  {% endraw %}\n  x{%- raw -%} \n y {%- endraw -%} \n z",
    "{{ x }", "{% if true %}", "{% endif %}", "{% for %}", "{{ }}", "{{ 1 2 }}", "{% set %}", "{{ 'a }}", "{# a", "{% nonsense %}", "{{ (1 }}", "{{ a. }}", "{{ x | }}", "{% if x %}{% endfor %}", "{{ x is }}", "{{ [1, }}", "{% else %}", "{% if true %}{% else %}{% else %}{% endif %}", "{{ @ }}", "{% for x in [1] %}{% elif x %}{% endfor %}", "{{ raise_exception('no: ' + d.k) }}", "{{ strftime_now('%Y-%m-%d %d %b %B %a %A %H:%M:%S %j %y %I %p %%') }}", "{{ range(100001) | length }}",
]
EXPRESSION_VALUES = {"x": 1, "t": True, "d": {"k": "v", "list": [1, 2], "nested": {"deep": 1}, "n": None, "f": 1.5}, "l": [{"n": "x", "v": 1, "deep": {"er": 1}}, {"n": "", "v": 3, "q": 0, "deep": {"er": 2}}]}


def chats():
    for talk, variables in itertools.product(TALKS, VARIABLES):
        for prompt in (False, True):
            yield {"messages": talk, "prompt": prompt, "variables": variables}
    for talk, variables in itertools.product(TOOL_TALKS, TOOL_VARIABLES + [{}]):
        for prompt in (False, True):
            yield {"messages": talk, "prompt": prompt, "variables": variables}
    for talk in TALKS[:4] + TOOL_TALKS[1:2]:
        yield {"messages": talk, "prompt": True, "variables": DOCUMENTS}
        yield {"messages": talk, "prompt": True, "variables": {**DOCUMENTS, "tools": [WEATHER]}}


def render(template, chat):
    """Renders as apply_chat_template does; a refusal if it raises."""
    try:
        messages = chat_template_utils._normalize_chat_messages(chat["messages"])
        texts, _ = chat_template_utils.render_jinja_template(
            [messages], chat_template=template, add_generation_prompt=chat["prompt"], **TOKENS, **chat["variables"]
        )
        return {"text": texts[0]}
    except Exception as error:
        return {"refusal": f"{type(error).__name__}: {error}"}


def reference(templates, all_chats):
    results = {name: [render(template, chat) for chat in all_chats] for name, template in templates.items()}
    return {"tokens": TOKENS, "chats": all_chats, "results": results}


if len(sys.argv) == 3:
    published = {path.name: path.read_text(encoding="utf-8") for path in sorted(Path(sys.argv[1]).glob("*.jinja"))}
    content = reference(published, list(chats()))
    path = Path(sys.argv[2])
else:
    few = [chat for i, chat in enumerate(chats()) if i % 7 in (0, 3)]
    content = reference(TEMPLATES, few)
    content["templates"] = TEMPLATES
    content["values"] = EXPRESSION_VALUES
    content["expressions"] = [
        {"source": source, **render(source, {"messages": [], "prompt": False, "variables": EXPRESSION_VALUES})}
        for source in EXPRESSIONS
    ]
    path = RESOURCES / "chat-templates.json"
path.write_text(json.dumps(content, indent=None if len(sys.argv) == 3 else 0, ensure_ascii=False) + "\n", encoding="utf-8")
