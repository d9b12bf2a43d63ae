"""The figures as the paper's scripts compute them, and what each of their quirks changes."""

from radcbir.analyses import Analysis, Project


def _settings(project: Project, experiment: str) -> dict[str, object]:
    settings = project.experiments[experiment]
    splits = [settings["paper_mode"]["test_split"], settings["val_split"]]
    return {"splits": [each for each in splits if each], "paper_mode": settings["paper_mode"]}


ANALYSIS = Analysis(
    name="paper_mode",
    title="Paper mode",
    question="Which quirk of the paper's scripts makes which difference?",
    section="Data and files",
    tables=("paper_mode",),
    page="paper mode",
    needs_vectors=False,
    settings=_settings,
    template="analyses/paper_mode/paper_mode.html.j2",
)
