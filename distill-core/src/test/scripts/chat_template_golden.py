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


def write(path, templates, all_chats):
    results = {name: [render(template, chat) for chat in all_chats] for name, template in templates.items()}
    content = {"tokens": TOKENS, "chats": all_chats, "results": results}
    return path, content


if len(sys.argv) == 3:
    published = {path.name: path.read_text(encoding="utf-8") for path in sorted(Path(sys.argv[1]).glob("*.jinja"))}
    path, content = write(Path(sys.argv[2]), published, list(chats()))
else:
    path, content = write(Path("../resources/io/distill/huggingface/chat-templates.json"), TEMPLATES, list(chats()))
    content["templates"] = TEMPLATES
path.write_text(json.dumps(content, indent=None if len(sys.argv) == 3 else 1, ensure_ascii=False) + "\n", encoding="utf-8")
