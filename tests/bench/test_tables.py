"""What lies between the measured values and the tables, and between a process's start and its end."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from canalgate.bench import count, report
from canalgate.bench.cells import CELLS, COUNTED, LOW_LOAD, MAIN, OPEN, models
from canalgate.bench.gateway import UsageLog
from canalgate.bench.machine import GATEWAY_CORE, BenchError, Process, free_port
from canalgate.bench.measure import Row
from canalgate.bench.translate import streams

LINE = "12:00:00 INFO canalgate.request request request_id=r{n} status=200 completion_tokens={tokens}\n"


def test_ratios_are_taken_round_by_round():
    row = Row("r", {"a": [2.0, 9.0], "b": [1.0, 3.0]})
    assert row.ratios("a", "b") == [2.0, 3.0]


def test_a_gateway_that_lost_something_has_no_figure_and_its_reason_stands_below():
    row = Row("JSON", {"nginx": [1.0], "b": [3.0]}, {"c": "an event is lost"})
    table = report.times([row], ["nginx", "b", "c"], "nginx")
    assert "| JSON | 1.0 | 3.00 (3.00..3.00) | - |" in table
    assert table.endswith("- JSON: c: no figure: an event is lost")


def test_usage_is_counted_in_whole_lines_only(tmp_path):
    log = UsageLog(tmp_path / "log")
    whole, half = LINE.format(n=1, tokens=5), LINE.format(n=2, tokens=70)
    log.path.write_text(whole + half[:-2])
    awaited = log.after(1, 70)
    assert awaited == (2, 75)
    assert not log.becomes(awaited, 0.05)
    log.path.write_text(whole + half)
    assert log.becomes(awaited, 0.05)


@pytest.mark.parametrize("cell", [*CELLS, *LOW_LOAD, OPEN], ids=lambda cell: cell.key)
def test_a_body_has_about_its_size_and_its_model_is_one_that_gateways_serve(cell):
    body = cell.body()
    assert 0.8 * cell.body_bytes < len(body) < 1.05 * cell.body_bytes
    assert f'"model":"{cell.model}"'.encode() in body
    assert body.count(b"bench-") == 1
    assert cell.model in models(tls=cell.tls)


def test_no_two_cells_have_one_name():
    keys = [cell.key for cell in CELLS]
    assert len(set(keys)) == len(keys)


def test_every_stream_to_translate_has_its_three_parts_and_a_mark():
    assert all(stream.event.count(b"###### ###################") == 1 and stream.tail for stream in streams())


def test_a_process_is_ended_with_its_children(tmp_path):
    script = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    with Process([sys.executable, "-c", script], GATEWAY_CORE, tmp_path / "log") as process:
        while len(tree := list(process.tree())) < 2:
            time.sleep(0.02)
        assert process.cpu_s() > 0 and process.memory_kb() > 0
    time.sleep(0.1)
    assert not [pid for pid in tree if _runs(pid)]


def _runs(pid):
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "\nState:\tZ" not in status.read_text()


def test_a_process_that_does_not_listen_says_why(tmp_path):
    with (
        Process(["sh", "-c", "echo no memory; exit 3"], GATEWAY_CORE, tmp_path / "log") as process,
        pytest.raises(BenchError, match="no memory"),
    ):
        process.wait_for_port(free_port())


@pytest.mark.parametrize(
    ("name", "value", "over"),
    [
        (count.INSTRUCTIONS, 102.9, 0),
        (count.INSTRUCTIONS, 103.1, 1),
        (count.INSTRUCTIONS, 50.0, 0),
        (count.CALLS, 100.2, 0),
        (count.CALLS, 101.0, 1),
    ],
)
def test_a_figure_over_its_budget_fails(monkeypatch, tmp_path, capsys, name, value, over):
    monkeypatch.setattr(count, "BUDGET", tmp_path / "counts.json")
    count.BUDGET.write_text(json.dumps({"python": "3", "budget": {f"x: {name}": 100}}))
    assert count._compare({f"x: {name}": value}) == over
    assert ("over budget" in capsys.readouterr().out) == bool(over)


def test_the_budget_has_a_figure_for_all_that_is_counted():
    budget = json.loads(count.BUDGET.read_text())["budget"]
    assert set(budget) == {
        f"{short.title}: {what}" for short, _ in COUNTED for what in (count.INSTRUCTIONS, count.CALLS)
    }


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_a_machine_without_valgrind_counts_nothing_and_fails_only_in_ci(tmp_path, ci, status):
    without = "import canalgate.bench.machine as machine; machine.find = lambda name: None"
    run = f"import runpy; runpy.run_path({count.__file__!r}, run_name='__main__')"
    environment = {**os.environ, "CI": ci, "PATH": str(tmp_path)}
    command = [sys.executable, "-c", f"{without}; {run}"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (result.returncode, len(result.stdout.splitlines())) == (status, 1), result.stderr


def test_the_main_rows_come_first():
    assert CELLS[: len(MAIN)] == MAIN
