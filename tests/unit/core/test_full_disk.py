"""A full disk is one sentence, whichever library met it."""

import errno
import os

import pytest

from radcbir.core.logs import logger, script_log

FULL = {
    "the system": OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "results/x.h5"),
    "a quota": OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
    "HDF5": OSError("Can't write data (file write failed: errno = 28, error message = 'No space left on device')"),
}  # fmt: skip


@pytest.mark.parametrize("case", FULL)
def test_a_full_disk_is_one_sentence(tmp_path, capfd, case):
    with pytest.raises(SystemExit), script_log(tmp_path / "x.log"):
        raise FULL[case]
    said = (tmp_path / "x.log").read_text()
    assert "no space is left on the disk" in said and "make room and run again" in said
    assert "Traceback" not in said and len(said.splitlines()) == 1


def test_another_error_of_the_system_keeps_its_traceback(tmp_path):
    with pytest.raises(SystemExit), script_log(tmp_path / "x.log"):
        raise OSError(errno.EIO, "Input/output error")
    assert "Traceback" in (tmp_path / "x.log").read_text()


def test_the_log_of_a_script_ends_with_it(tmp_path):
    """What runs afterwards in the same process logs as before."""
    before = logger.handlers, logger.propagate, logger.level
    with script_log(tmp_path / "x.log"):
        logger.info("inside")
        assert not logger.propagate
    assert (logger.handlers, logger.propagate, logger.level) == before
    assert "inside" in (tmp_path / "x.log").read_text()
