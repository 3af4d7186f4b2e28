"""Every probe accepts what real servers answered and refuses what must not pass."""

from __future__ import annotations

import pytest

from stackgen.modalities import MODALITIES, Reply

PROBES = [probe for modality in MODALITIES.values() for probe in modality.probes]
each_probe = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)


@each_probe
def test_good_replies_have_no_complaint(probe):
    assert probe.good
    assert [probe.complaint(reply) for reply in probe.good] == [None] * len(probe.good)


@each_probe
def test_bad_replies_have_one_in_words(probe):
    assert len(probe.bad) > 2
    for reply in probe.bad:
        complaint = probe.complaint(reply)
        assert complaint
        assert "\n" not in complaint


@each_probe
@pytest.mark.parametrize(
    "body", ["", "null", "[]", "{}", "42", '"text"', "<html></html>", '{"choices":[]}', '{"data":[]}', '{"results":[]}']
)
def test_no_empty_or_strange_body_passes(probe, body):
    assert probe.complaint(Reply(status=200, content_type="application/json", body=body))


@each_probe
def test_an_error_status_is_told_with_its_sentence(probe):
    reply = Reply(status=404, body='{"error":{"message":"The model `x` does not exist."}}')
    assert probe.complaint(reply) == "HTTP 404: The model `x` does not exist."


def test_no_modality_shares_its_path_with_another():
    assert len({modality.path for modality in MODALITIES.values()}) == len(MODALITIES)
