"""Whether a set of validation images can choose anything."""

FEWEST_PATIENTS = 6
"""Patients below whom a choice says more about them than about the setting."""


def selection_doubt(patients: int, classes: int, of_classes: int, best: float) -> str:
    """Why a choice on validation images means little, or an empty text.

    ``classes`` of the ``of_classes`` classes of the index are among the images of so many
    ``patients`` (images whose patient is not known count as patients). ``best`` is the accuracy of
    what was chosen.
    """
    reasons = []
    if patients < FEWEST_PATIENTS:
        reasons.append(f"{patients} patient{'s' * (patients != 1)}")
    if 2 * classes < of_classes:
        reasons.append(f"{classes} of {of_classes} classes")
    if best == 0:
        reasons.append("no validation image is right with any setting")
    return ", ".join(reasons)


def validation_in_words(patients: int, classes: int, of_classes: int) -> str:
    """How a validation split chose: ``validation split, 12 patients, 3 of 4 classes``."""
    plural = "s" * (patients != 1)
    return f"validation split, {patients} patient{plural}, {classes} of {of_classes} classes"
