"""Renders an HTML page from a Jinja2 template (Jinja2 comes with memray)."""

from __future__ import annotations

import jinja2

SIZE = 220

PAGE = jinja2.Environment(autoescape=True).from_string(
    """<h1>{{ title }}</h1><table>
{% for row in rows %}<tr class="{{ loop.cycle('odd', 'even') }}">
{% for name, value in row.items() %}
<td>{{ name|title }}: {{ value|upper if value is string else value }}</td>{% endfor %}
{% if loop.last %}<td>{{ rows|sum(attribute='price') }}</td>{% endif %}</tr>{% endfor %}</table>"""
)
ROWS = [{"id": number, "name": f"<item {number}>", "price": number * 1.5} for number in range(50)]


def body(size: int) -> int:
    return sum(len(PAGE.render(title=f"Page {number}", rows=ROWS)) for number in range(size))
