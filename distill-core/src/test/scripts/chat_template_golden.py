"""Renders chat templates as the transformers library does.

Run from this folder: python chat_template_golden.py

The templates are written for this test, in the manner of those of Llama 3, Qwen 2.5, Mistral and
Granite.
"""

import json
from pathlib import Path

import jinja2
from transformers.utils.chat_template_utils import _compile_jinja_template

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


def message(role, content):
    return {"role": role, "content": content}


CONVERSATIONS = [
    [message("user", "Hello there")],
    [message("system", "Be odd. "), message("user", " 1 < 2 & \"so\"\n\nyes? "), message("assistant", "é {{ x }} {% y %}"), message("user", "bye")],
    [message("user", "a"), message("assistant", "b"), message("user", "c"), message("assistant", "d")],
    [message("assistant", "first")],
    [message("user", "a"), message("user", "b")],
]

results = []
for name, template in TEMPLATES.items():
    compiled = _compile_jinja_template(template)
    for messages in CONVERSATIONS:
        for prompt in (False, True):
            for variables in ({}, {"thinking": True, "date_string": "01 Jan 2026"}):
                row = {"template": name, "messages": messages, "prompt": prompt, "variables": variables}
                try:
                    row["text"] = compiled.render(
                        messages=messages, add_generation_prompt=prompt, bos_token="<s>", eos_token="</s>", **variables
                    )
                except jinja2.exceptions.TemplateError as error:
                    row["refusal"] = str(error)
                results.append(row)
Path("../resources/io/distill/huggingface/chat-templates.json").write_text(
    json.dumps({"templates": TEMPLATES, "cases": results}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
)
