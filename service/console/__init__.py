"""The console at /console: what operators see and do in a browser. Server-rendered, signed in, nothing from elsewhere.

1. `sign_in` and `openid` find out who calls; `session` seals that into a cookie, `access` says what the roles may.
2. `guard` is the class of every other route: session, forged requests, errors as pages.
3. `routes` has one file a page; `pages` renders their templates; `assets` serves scripts and styles.
"""
