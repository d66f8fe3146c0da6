// OHIF 3.13.2 tells a viewport which of a report's outlines are its to draw in an effect that may run after the image
// was drawn: always on a slow machine, where the image is at hand already. Then the image stands there without any
// outline until somebody zooms. So a viewport with a report is drawn again for a while after it got its image; only
// the viewer knows when it is ready, and tells nobody.
(() => {
  "use strict";
  const FIRST = 100, LAST = 13000, POLL = 250; // ms; each pause is twice the one before

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

  function watch() {
    const service = window.services && window.services.cornerstoneViewportService;
    if (!service) return void window.setTimeout(watch, POLL);
    const changed = service.EVENTS.VIEWPORT_DATA_CHANGED;
    service.subscribe(changed, ({ viewportId }) => window.setTimeout(redraw, FIRST, viewportId, FIRST));
  }

  watch();
})();
