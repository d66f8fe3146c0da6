"""What the viewer is told: where its images come from, and what it may not do."""

from __future__ import annotations

import json
from pathlib import Path

from dicomnode.web.dicomweb.addresses import SERVICE

_SOURCE = "dicomnode"
_WORKERS = 4  # that decode images in the browser
_REPORTS = Path(__file__).parent / "reports.js"
_NAMESPACE = "@ohif/extension-default.dataSourcesModule.dicomweb"


def configuration_script() -> str:
    """The content of ``/app-config.js``; the keys are OHIF's own. With it comes what mends OHIF."""
    return f"window.config = {json.dumps(_configuration(), indent=2)};\n{_REPORTS.read_text(encoding='utf-8')}"


def _configuration() -> dict[str, object]:
    return {
        "routerBasename": None,
        "extensions": [],
        "modes": [],
        "customizationService": {},
        "showStudyList": True,
        "maxNumberOfWebWorkers": _WORKERS,
        "showWarningMessageForCrossOrigin": False,
        "showCPUFallbackMessage": True,
        "showLoadingIndicator": True,
        "strictZSpacingForVolumeViewport": True,
        # The node says on every page, and in every document, that its answers are unverified.
        "investigationalUseDialog": {"option": "never"},
        # An SR opens read-only as it was written, without a question whether to track it.
        "disableConfirmationPrompts": True,
        "defaultDataSourceName": _SOURCE,
        "dataSources": [{"namespace": _NAMESPACE, "sourceName": _SOURCE, "configuration": _source()}],
    }


def _source() -> dict[str, object]:
    return {
        "friendlyName": "dicomnode",
        "name": _SOURCE,
        "qidoRoot": SERVICE,
        "wadoRoot": SERVICE,
        "wadoUriRoot": SERVICE,
        "qidoSupportsIncludeField": True,
        "supportsReject": False,
        "supportsFuzzyMatching": False,
        "supportsWildcard": True,
        "imageRendering": "wadors",
        "thumbnailRendering": "wadors",
        "enableStudyLazyLoad": True,
        "dicomUploadEnabled": False,
        "omitQuotationForMultipartRequest": True,
        "bulkDataURI": {"enabled": True},
    }
