"""The page of queries in a real browser: its server, and what a person does on it."""

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml

AXE = Path(__file__).parent / "axe"

LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/\?key=([\w-]+)")


def copy_of(finished, copy, config):
    """A copy of a finished project that the page serves with another configuration."""
    shutil.copytree(finished.folder, copy.folder, copy_function=shutil.copy2, symlinks=True)
    copy.config = config
    (copy / "config/app.yaml").write_text(yaml.safe_dump(config))
    return copy


@contextlib.contextmanager
def started(project, configuration, snakemake=True, **environment):
    """The process that serves a project's page, and the link that it prints."""
    command = [sys.executable, "workflow/app.py", configuration]
    if snakemake:
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "app", "--configfile", configuration]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=project.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        env=os.environ | {"NO_PROXY": "*"} | environment,
    )  # fmt: skip
    printed = []
    try:
        for line in process.stdout:
            printed.append(line)
            if found := LINK.search(line):
                yield process, found[0]
                return
        raise AssertionError("".join(printed))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)


@contextlib.contextmanager
def running(project, configuration, snakemake=True):
    """The link that `snakemake app` prints; the server ends with Ctrl-C."""
    with started(project, configuration, snakemake) as (_, link):
        yield link


@contextlib.contextmanager
def opened(browser, link, **options):
    """The page, which may ask nobody but its server, and in which no script fails."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.asked, errors = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(link)
    page.wait_for_selector("#experiment option", state="attached")
    yield page
    assert all(url.startswith((link.split("?")[0], "blob:", "data:")) for url in page.asked)
    assert errors == []
    context.close()


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def drop(page, image, name="query.png"):
    content = image if isinstance(image, bytes) else png(image)
    page.set_input_files("#files", {"name": name, "mimeType": "image/png", "buffer": content})
    return page


def until(page, expression):
    """Wait until it is true; Playwright's own way evaluates text in the page, which its security
    policy forbids."""
    for _ in range(400):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(expression)


def shown(page, selector=".hits .labels"):
    page.wait_for_selector(".hit")
    page.wait_for_selector("body:not(.busy)")
    return page.locator(selector).all_inner_texts()


def barriers(page):
    """What axe-core finds of barriers in the page as it is now."""
    if not page.evaluate("'axe' in window"):
        page.evaluate((AXE / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert len(found["passes"]) > 10
    return [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]]
