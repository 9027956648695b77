"""A command as a user types it: in this process, which is quick, or in a process of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from cds_service.cli import main
from tests.patience import PATIENCE_S

Done = subprocess.CompletedProcess[str]


def run(*arguments: str, stdin: str = "", **environment: str) -> Done:
    """Runs a command in this process; returns its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["cds-service", *arguments])
        patch.setattr(sys, "stdin", given)
        patch.setattr(sys, "excepthook", sys.excepthook)  # main sets its own
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    code = ended.value.code
    assert code is None or isinstance(code, int), "a command ends with a number"
    return Done(arguments, code or 0, out.getvalue(), err.getvalue())


def run_alone(*arguments: str, stdin: str = "", **environment: str) -> Done:
    """Runs a command in a process of its own, as an operating system sees it."""
    return subprocess.run(  # our own command line
        [sys.executable, "-m", "cds_service", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env=os.environ | environment,
    )
