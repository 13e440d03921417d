"""The tables of providers say what the adapters and their cases say."""

import pytest
import supported
from supported import ADAPTERS, END, FOLDERS, PAGE, README, Evidence, full, on_page, renewed, short


def test_the_page_is_what_make_table_makes():
    page = PAGE.read_text("utf-8")
    assert page == renewed(page, full(page))


def test_the_page_says_what_the_recordings_say(recordings):
    """Under CI they must be at hand."""
    assert on_page(PAGE.read_text("utf-8")).keys() == supported.beside().keys() == ADAPTERS.keys()


def test_the_short_table_is_what_make_table_makes():
    page = README.read_text("utf-8")
    assert page == renewed(page, short(PAGE.read_text("utf-8")))


def test_a_clone_without_recordings_makes_the_same_page(monkeypatch):
    page = PAGE.read_text("utf-8")
    monkeypatch.setattr(supported, "beside", dict)
    assert full(page) == full(PAGE.read_text("utf-8")) in page


def test_a_clone_notices_an_adapter_that_the_page_does_not_know(monkeypatch):
    page = PAGE.read_text("utf-8")
    without = "\n".join(line for line in page.splitlines() if "| `cohere` |" not in line)
    monkeypatch.setattr(supported, "beside", dict)
    assert full(without) not in without


def test_what_is_at_hand_goes_before_what_the_page_says(monkeypatch):
    monkeypatch.setattr(supported, "beside", lambda: {"groq": Evidence(7, 9, {"tools": "recorded"})})
    made = on_page(full(PAGE.read_text("utf-8")))["groq"]
    assert (made.recorded, made.composed, made.words["tools"]) == (7, 9, "recorded")


def test_every_folder_of_composed_cases_belongs_to_an_adapter():
    assert set(FOLDERS.values()) <= set(ADAPTERS)
    assert set(supported.composed()) <= set(ADAPTERS)


def test_a_page_without_its_marks_is_not_written():
    with pytest.raises(ValueError, match="lacks the lines"):
        renewed(PAGE.read_text("utf-8").replace(END, ""), "x")
