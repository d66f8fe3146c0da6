"""Coded concepts that several rooms use (PS3.16 Annex D, SNOMED CT, UCUM)."""

from __future__ import annotations

from dicomnode.findings import Code

# Presence of what was asked for
PRESENT = Code("52101004", "SCT", "Present")
ABSENT = Code("272519000", "SCT", "Absent")
UNDETERMINED = Code("373068000", "SCT", "Undetermined")

# TID 4019 row 4, algorithm family
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")

# Findings
LESION = Code("52988006", "SCT", "Lesion")
MASS = Code("4147007", "SCT", "Mass")
NODULE = Code("27925004", "SCT", "Nodule")

# Anatomy
BRAIN = Code("12738006", "SCT", "Brain")
BREAST = Code("76752008", "SCT", "Breast")

# Laterality, CID 244
LEFT = Code("7771000", "SCT", "Left")
RIGHT = Code("24028007", "SCT", "Right")

# Measurements: CID 7470 linear, CID 7471 area, CID 7472 volume
LONG_AXIS = Code("103339001", "SCT", "Long axis")
SHORT_AXIS = Code("103340004", "SCT", "Short axis")
AREA = Code("42798000", "SCT", "Area")
VOLUME = Code("118565006", "SCT", "Volume")

# Scores
CERTAINTY_OF_FINDING = Code("111012", "DCM", "Certainty of Finding")
PROBABILITY_OF_CANCER = Code("111047", "DCM", "Probability of cancer")

# Units, UCUM
MILLIMETRE = Code("mm", "UCUM", "mm")
SQUARE_MILLIMETRE = Code("mm2", "UCUM", "square millimeter")
CUBIC_MILLIMETRE = Code("mm3", "UCUM", "cubic millimeter")
PERCENT = Code("%", "UCUM", "Percent")
NO_UNITS = Code("1", "UCUM", "no units")
