import hashlib
import json

import pytest

from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.models import AuditEvent, PoamItem
from deploy_records.poam_exporting import export
from deploy_records.poam_files.exports import FORMS
from deploy_records.poam_files.reading import read
from tests.deploy_records.exceptions import approved, drafted, requester
from tests.deploy_records.people import person

pytestmark = pytest.mark.django_db


def test_what_was_asked_for_is_written_and_that_is_on_record() -> None:
    first, _other = approved(), drafted()
    reader = person("vera", "view_poamitem")
    written = export("poam", [first], reader)
    assert [entry.id for entry in read(written.data).entries] == [first.exported_id]
    event = AuditEvent.objects.latest("sequence")
    assert (event.action, event.actor, event.changes["entries"]) == ("poam.exported", "vera", 1)
    assert event.changes["sha256"] == hashlib.sha256(written.data).hexdigest()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_can_be_written_and_all_but_one_also_of_nothing(form: str) -> None:
    reader = person("vera", "view_poamitem")
    if form == "oscal":
        with pytest.raises(Refused, match="at least one item"):
            export(form, [], reader)
    else:
        assert export(form, [], reader).data
    approved()
    drafted()
    written = export(form, PoamItem.objects.all(), reader)
    assert written.content_type == FORMS[form].content_type
    if written.file_name.endswith(".json"):
        json.loads(written.data)


def test_a_form_nobody_knows_and_a_person_without_the_role_are_refused_and_nothing_is_noted() -> None:
    approved()
    requester()
    before = AuditEvent.objects.count()
    with pytest.raises(Invalid, match="not a form"):
        export("word", PoamItem.objects.all(), person("vera", "view_poamitem"))
    with pytest.raises(NotAllowed):
        export("poam", PoamItem.objects.all(), person("nils"))
    assert AuditEvent.objects.count() == before
