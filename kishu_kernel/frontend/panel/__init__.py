"""`%kishu panel`, and what it shares with JupyterLab's sidebar: `static/timeline.js` and the modules below it."""
