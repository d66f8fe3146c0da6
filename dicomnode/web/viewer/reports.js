// What OHIF 3.13.2 does wrong with reports, put right from outside.
//
// It tells a viewport which of a report's outlines are its to draw in an effect that may run after the image was drawn:
// always on a slow machine, where the image is at hand already. Then the image stands there without any outline until
// somebody zooms. So a viewport with a report is drawn again for a while after it got its image; only the viewer knows
// when it is ready, and tells nobody.
//
// Of the reports in a series it knows that the last is the newest, but shows the text of the first. So the newest is
// put first.
(() => {
  "use strict";
  const FIRST = 100, LAST = 13000, POLL = 100; // ms; each pause is twice the one before

  function showsReport(viewportId) {
    const { displaySetService, viewportGridService } = window.services;
    const pane = viewportGridService.getState().viewports.get(viewportId);
    const hung = (pane && pane.displaySetInstanceUIDs) || [];
    return hung.some((uid) => (displaySetService.getDisplaySetByUID(uid) || {}).Modality === "SR");
  }

  function redraw(viewportId, pause) {
    if (!showsReport(viewportId)) return;
    const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(viewportId);
    if (viewport) viewport.render();
    if (pause < LAST) window.setTimeout(redraw, 2 * pause, viewportId, 2 * pause);
  }

  function putNewestFirst() {
    for (const set of window.services.displaySetService.getActiveDisplaySets()) {
      const isText = set.Modality === "SR" && !set.isImagingMeasurementReport && set.instances;
      if (isText && set.instance) set.instances.sort((one, other) => (other === set.instance) - (one === set.instance));
    }
  }

  function watch() {
    const { cornerstoneViewportService: viewports, displaySetService: sets } = window.services || {};
    if (!viewports || !sets) return void window.setTimeout(watch, POLL);
    const changed = viewports.EVENTS.VIEWPORT_DATA_CHANGED;
    viewports.subscribe(changed, ({ viewportId }) => window.setTimeout(redraw, FIRST, viewportId, FIRST));
    sets.subscribe(sets.EVENTS.DISPLAY_SETS_ADDED, putNewestFirst);
    putNewestFirst();
  }

  watch();
})();
