from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import AnonymousUser
from django.template import Context, Template
from django.test import RequestFactory

from chatbot_service.models import JobState
from deploy_records.models import LedgerState
from portal.templatetags import icons, status
from portal.templatetags.known_good import ProofRow, output_lines

DIGEST = "sha256:" + "4d" * 32


def draw(source: str, **context: Any) -> str:
    return Template("{% load known_good %}" + source).render(Context(context))


@pytest.mark.parametrize("tone", icons.TONES)
def test_every_state_has_a_shape_and_a_word(tone: str) -> None:
    drawn = status.status(tone, "In words")
    assert "<path" in drawn
    assert "In words" in drawn


def test_good_is_quiet_and_what_deviates_is_loud() -> None:
    assert "loud" not in status.status("ok", "Healthy")
    assert "loud" in status.status("stop", "Gate refuses")
    assert "loud" not in status.status("stop", "Gate refuses", loud=False)


@pytest.mark.parametrize("state", LedgerState)
def test_every_ledger_state_can_be_shown(state: LedgerState) -> None:
    assert state.label in status.ledger_state(state.value)


@pytest.mark.parametrize("state", JobState)
def test_every_state_of_a_job_can_be_shown(state: JobState) -> None:
    assert state.label in status.job_state(state.value)


def test_a_failed_job_that_was_undone_is_not_red() -> None:
    assert "kg-status--undone" in status.job_state(JobState.FAILED)


def test_an_unknown_severity_is_drawn_as_unknown() -> None:
    assert "kg-sev--unknown" in status.severity("moderate<")
    assert "kg-sev--high" in status.severity("HIGH")


def test_foreign_text_in_a_status_stays_text() -> None:
    assert "<b>" not in status.status("ok", "<b>", "<i>")


@pytest.mark.parametrize("name", ["../../../etc/passwd", "filled/../outline/copy", "copy.svg", ""])
def test_an_icon_is_named_and_never_a_path(name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        icons.icon(name)


def test_an_icon_alone_is_hidden_and_with_a_label_it_is_read() -> None:
    assert 'aria-hidden="true"' in icons.icon("copy")
    assert 'aria-label="Copy"' in icons.icon("copy", label="Copy")


def test_a_running_step_is_the_current_one_and_shows_how_far_it_is() -> None:
    drawn = draw('{% step "running" "Rehearse" took=38 usual=45 output="14:10:02 started" key="r" %}')
    assert 'aria-current="step"' in drawn
    assert 'value="84"' in drawn
    assert '<span class="ts">14:10:02</span> <span class="now">started</span>' in drawn


def test_a_step_that_takes_longer_than_usual_is_not_shown_as_done() -> None:
    assert 'value="97"' in draw('{% step "running" "Rehearse" took=600 usual=45 %}')


def test_a_waiting_step_says_what_would_undo_it() -> None:
    drawn = draw('{% step "waiting" "Write the pin" usual=1 undo="old pin back" %}')
    assert "old pin back" in drawn
    assert "not begun" in drawn


def test_output_of_others_can_neither_act_nor_turn_the_reading_direction() -> None:
    hostile = "14:10:02 \x1b]8;;javascript:alert(1)\x07<script>\u202e\x00"
    drawn = draw('{% step "failed" "Rehearse" output=output %}', output=hostile)
    assert "<script>" not in drawn
    assert not {"\x1b", "\x07", "\u202e", "\x00"} & set(drawn)


def test_the_last_line_of_a_failed_step_stands_out() -> None:
    assert [line.css for line in output_lines("one\ntwo", "failed")] == ["", "bad"]
    assert [line.css for line in output_lines("one\ntwo", "done")] == ["", ""]


def test_proof_ticks_what_agrees_and_marks_what_differs() -> None:
    rows = [ProofRow("Container", DIGEST, "inspected", same=False), ProofRow("Pin", DIGEST, "prod.yml", same=True)]
    drawn = draw("{% proof rows %}", rows=rows)
    assert drawn.count("same</span>") == 1
    assert drawn.count("different</span>") == 1


def test_the_first_sentence_of_a_message_says_what_happened() -> None:
    drawn = draw('{% message "stop" "Not started. Upgrade 417 holds <it>." %}')
    assert "<b>Not started.</b> Upgrade 417 holds &lt;it&gt;." in drawn


def test_the_last_crumb_is_the_name_of_the_page() -> None:
    drawn = draw('{% crumbs "Jobs" "/jobs/" name %}', name="Upgrade <418>")
    assert '<a href="/jobs/">Jobs</a>' in drawn
    assert "<h1>Upgrade &lt;418&gt;</h1>" in drawn


def test_a_term_carries_its_line_from_the_glossary_and_each_has_its_own_id() -> None:
    drawn = draw('{% term "digest" "digests" %}{% term "pin" %}')
    assert "a tag can move, a digest cannot" in drawn
    assert 'id="kg-term-1"' in drawn
    assert 'id="kg-term-2"' in drawn


def test_a_state_sentence_speaks_up_only_where_it_is_live() -> None:
    assert "aria-live" not in draw('{% state "ok" %}<p>Fine.</p>{% endstate %}')
    assert 'aria-live="polite"' in draw('{% state "ok" live=True %}<p>Fine.</p>{% endstate %}')


class ExampleForm(forms.Form):
    reason = forms.CharField(help_text="For the record.", max_length=20)


def test_a_field_ties_label_hint_and_error_to_its_input() -> None:
    drawn = draw("{% field form.reason %}", form=ExampleForm({"reason": ""}))
    assert 'for="id_reason"' in drawn
    assert 'aria-describedby="id_reason_helptext id_reason_error"' in drawn
    assert 'id="id_reason_helptext"' in drawn
    assert 'id="id_reason_error"' in drawn
    assert 'aria-invalid="true"' in drawn


def test_a_commit_bar_keeps_what_was_typed_and_escapes_it() -> None:
    form = ExampleForm({"reason": '"><script>'})
    drawn = draw(
        '{% include "kit/_commit_bar.html" with what="Upgrade" reason=form.reason cancel_url="/" button="Start" %}', form=form
    )
    assert 'value="&quot;&gt;&lt;script&gt;"' in drawn


@pytest.mark.parametrize(("cookie", "attribute"), [("dark", ' data-bs-theme="dark"'), ('"><script>', ""), ("", "")])
def test_the_theme_is_one_of_two_or_that_of_the_system(cookie: str, attribute: str) -> None:
    request = RequestFactory().get("/")
    request.COOKIES["theme"] = cookie
    assert draw("{% theme %}", request=request) == attribute


def test_nobody_who_is_signed_out_may_do_anything() -> None:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    assert draw('{% may "chatbot_service.upgrade_service" as can %}{{ can }}', request=request) == "False"
