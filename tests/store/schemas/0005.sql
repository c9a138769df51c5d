BEGIN TRANSACTION;
CREATE TABLE artifacts (
    build_id  TEXT NOT NULL REFERENCES builds (id),
    kind      TEXT NOT NULL,
    version   INTEGER NOT NULL,
    body      TEXT NOT NULL,
    meta      TEXT NOT NULL,
    at        REAL NOT NULL,
    PRIMARY KEY (build_id, kind, version)
);
INSERT INTO "artifacts" VALUES('build-13-library-20261123-001','spec',1,'# SPEC: Library (droplet 13)

**Service Name:** library
**Droplet ID:** 13
**Version:** 0.1.0
**TIER:** 2 (Domain)
**Port:** 18513
**UDC Version:** 1.0

## Purpose

Library is droplet 13 of the ecosystem. It stores items and serves other droplets and people over HTTP, beside the five endpoints of th','{"score":100.0,"valid":true,"fp_tools":false,"opinion":""}',1.79542193021803069118e+09);
INSERT INTO "artifacts" VALUES('build-13-library-20261123-001','diff',1,' .dockerignore                                    |  17 +++
 .env.example                                     |  17 +++
 .gitignore                                       |  21 +++
 Dockerfile                                       |  32 ++++
 HANDOFF.md                                       |  37 +++','{"commit":"a14c9f0e1b0703b93d42b358de8ad1e31277ab67","base":null}',1.7954219304597232342e+09);
INSERT INTO "artifacts" VALUES('build-13-library-20261123-001','tests',1,'{"commit": "a14c9f0e1b0703b93d42b358de8ad1e31277ab67", "findings": [{"rule": "T1", "title": "The tests pass", "result": "pass", "evidence": ""}], "tests_passing": 3, "tests_failing": 0, "seconds": 0.0, "output": {}, "failing_tests": [], "passed": true}','{"passed":true,"commit":"a14c9f0e1b0703b93d42b358de8ad1e31277ab67"}',1.79542193051223015779e+09);
INSERT INTO "artifacts" VALUES('build-14-notes-20261123-001','spec',1,'# SPEC: Notes (droplet 14)

**Service Name:** notes
**Droplet ID:** 14
**Version:** 0.1.0
**TIER:** 2 (Domain)
**Port:** 18514
**UDC Version:** 1.0

## Purpose

Notes is droplet 14 of the ecosystem. It stores items and serves other droplets and people over HTTP, beside the five endpoints of the drop','{"score":100.0,"valid":true,"fp_tools":false,"opinion":""}',1.79542193051992607115e+09);
INSERT INTO "artifacts" VALUES('build-14-notes-20261123-001','diff',1,' .dockerignore                                    |  17 +++
 .env.example                                     |  17 +++
 .gitignore                                       |  21 +++
 Dockerfile                                       |  32 ++++
 HANDOFF.md                                       |  37 +++','{"commit":"bfc69929255fee2a691a8d047896b545dee60a05","base":null}',1.79542193076163864137e+09);
INSERT INTO "artifacts" VALUES('build-14-notes-20261123-001','tests',1,'{"commit": "bfc69929255fee2a691a8d047896b545dee60a05", "findings": [{"rule": "T1", "title": "The tests pass", "result": "pass", "evidence": ""}], "tests_passing": 3, "tests_failing": 0, "seconds": 0.0, "output": {}, "failing_tests": [], "passed": true}','{"passed":true,"commit":"bfc69929255fee2a691a8d047896b545dee60a05"}',1.79542193082362627979e+09);
INSERT INTO "artifacts" VALUES('build-14-notes-20261123-001','report',1,'{"build_id": "build-14-notes-20261123-001", "droplet_id": 14, "droplet_name": "notes", "intent": "Build Notes Droplet for notes", "result": "success", "duration_seconds": 0.4, "working_seconds": 0.4, "files_created": 60, "tests_passing": 3, "tests_failing": 0, "rules_checked": 1, "spec_score": 100.0','{}',1.79542193091560411456e+09);
CREATE TABLE builds (
    id               TEXT PRIMARY KEY,
    version          INTEGER NOT NULL,
    state            TEXT NOT NULL,
    step             INTEGER NOT NULL,
    attempt          INTEGER NOT NULL,
    intent           TEXT NOT NULL,
    droplet_id       INTEGER NOT NULL,
    droplet_name     TEXT NOT NULL,
    approval_mode    TEXT NOT NULL,
    auto_approve     INTEGER NOT NULL,
    chosen_id        INTEGER NOT NULL,  -- 1: the executor chose droplet_id, so step 1 may move it
    notify_channels  TEXT NOT NULL,     -- JSON array of names
    budget_usd       REAL,
    target           TEXT NOT NULL,
    request_id       TEXT NOT NULL,
    created_at       REAL NOT NULL,     -- this and every other time: seconds since the epoch, UTC
    updated_at       REAL NOT NULL,
    step_started_at  REAL,
    finished_at      REAL,
    working_seconds  REAL NOT NULL,
    last_seq         INTEGER NOT NULL,
    retries          INTEGER NOT NULL,
    repairs          INTEGER NOT NULL,
    retrying_since   REAL,
    wake_at          REAL,
    hold             TEXT,              -- JSON: the open gate or the open questions
    review           TEXT,              -- JSON
    error            TEXT,              -- JSON
    withdraw_to      TEXT,
    completed        TEXT NOT NULL,     -- JSON array of [step, seconds]
    warnings         TEXT NOT NULL,     -- JSON array of sentences
    facts            TEXT NOT NULL      -- JSON: what the steps learned
);
INSERT INTO "builds" VALUES('build-13-library-20261123-001',7,'waiting_approval',6,1,'Build a Library Droplet for books',13,'library','final',0,1,'["email"]',NULL,'process','',1.79542193020232558253e+09,1.79542193051223015779e+09,NULL,NULL,3.06519746780395507812e-01,13,0,0,NULL,NULL,'{"checkpoint":"built","gate_id":"built-5723c93f6a96","asks":"The droplet is built and verified. Approving deploys it.","subject":"a14c9f0e1b0703b93d42b358de8ad1e31277ab67","opened_at":"2026-11-23T08:18:50.511Z","evidence":{"tests_passing":3,"tests_failing":0,"rules_checked":1,"rules_failed":[],"not_shown":""}}',NULL,NULL,NULL,'[[1,0.003],[2,0.009],[3,0.113],[4,0.128],[5,0.053]]','["The channel email is not configured: nothing is sent there, status and report have the result. It needs [notify.email]."]','{"attempts":{"1":1,"2":1,"3":1,"4":1,"5":1},"version":"0.1.0","base_commit":null,"port":18513,"spec_score":100.0,"resources":["items"],"package_commit":"695ce23edb52a0ba8e49e573aa282cd8ddeb007f","files_created":60,"repository_path":"/srv/fpai/s/repositories/library.git","provider":"scaffold","commit":"a14c9f0e1b0703b93d42b358de8ad1e31277ab67","ai_iterations":0,"endpoints":["POST /items","GET /items","GET /items/{item_id}","PUT /items/{item_id}","PATCH /items/{item_id}","DELETE /items/{item_id}"],"left_out":["Of the purpose only the storing and serving of the resources was built; rules, calculations and workflows that the SPEC describes in words were not.","Relations between resources, unique values, search and filters were not built.","Calls to other services and work on a schedule were not built.","Who may do what was not built: every caller that is let in may do everything."],"tests_passing":3,"tests_failing":0,"rules_checked":1,"rules_failed":[],"not_shown":"","unapproved_after":5}');
INSERT INTO "builds" VALUES('build-14-notes-20261123-001',11,'complete',8,1,'Build Notes Droplet for notes',14,'notes','auto',0,1,'[]',NULL,'process','',1.79542193051388120645e+09,1.79542193091560411456e+09,NULL,1.79542193091542243957e+09,4.00119543075561523437e-01,21,0,0,NULL,NULL,NULL,'{"checkpoint":"deployed","gate_id":"deployed-af9016ffeda4","decision":"pending","asks":"The release is live. Approving accepts it, rejecting rolls it back.","decided_at":null}',NULL,NULL,'[[1,0.002],[2,0.002],[3,0.125],[4,0.116],[5,0.062],[6,0.088],[7,0.002],[8,0.002]]','[]','{"attempts":{"1":1,"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"8":1},"version":"0.1.0","base_commit":null,"port":18514,"spec_score":100.0,"resources":["items"],"package_commit":"8040a903e7a6946b027830c062f6879fb35ccefc","files_created":60,"repository_path":"/srv/fpai/s/repositories/notes.git","provider":"scaffold","commit":"bfc69929255fee2a691a8d047896b545dee60a05","ai_iterations":0,"endpoints":["POST /items","GET /items","GET /items/{item_id}","PUT /items/{item_id}","PATCH /items/{item_id}","DELETE /items/{item_id}"],"left_out":["Of the purpose only the storing and serving of the resources was built; rules, calculations and workflows that the SPEC describes in words were not.","Relations between resources, unique values, search and filters were not built.","Calls to other services and work on a schedule were not built.","Who may do what was not built: every caller that is let in may do everything."],"tests_passing":3,"tests_failing":0,"rules_checked":1,"rules_failed":[],"not_shown":"","deploying":"build-14-notes-20261123-001-bfc69929","earlier_release":null,"release":"build-14-notes-20261123-001-bfc69929","deployment_url":"http://127.0.0.1:19001","deployed_at":1795421930.910819}');
CREATE TABLE decisions (  -- what people decided at gates, and what they and repairs said
    id          INTEGER PRIMARY KEY,
    build_id    TEXT NOT NULL REFERENCES builds (id),
    gate_id     TEXT NOT NULL,
    checkpoint  TEXT NOT NULL,
    decision    TEXT NOT NULL,
    feedback    TEXT NOT NULL,
    at          REAL NOT NULL
);
CREATE TABLE droplets (  -- the built-in registry: what is live, and where
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    release_id  TEXT,
    url         TEXT,
    updated_at  REAL NOT NULL
);
INSERT INTO "droplets" VALUES(13,'library',NULL,NULL,1.79542193020232558253e+09);
INSERT INTO "droplets" VALUES(14,'notes','build-14-notes-20261123-001-bfc69929','http://127.0.0.1:19001',1.79542193089607191088e+09);
CREATE TABLE effects (
    key       TEXT PRIMARY KEY,
    build_id  TEXT NOT NULL REFERENCES builds (id),
    step      INTEGER NOT NULL,
    begun_at  REAL NOT NULL,
    done_at   REAL,
    result    TEXT
) WITHOUT ROWID;
INSERT INTO "effects" VALUES('build-14-notes-20261123-001/start/build-14-notes-20261123-001-bfc69929/1','build-14-notes-20261123-001',6,1.79542193088298797603e+09,1795421930.89248,'{"url": "http://127.0.0.1:19001", "handle": {"release_id": "build-14-notes-20261123-001-bfc69929"}}');
INSERT INTO "effects" VALUES('build-14-notes-20261123-001/switch/build-14-notes-20261123-001-bfc69929/1','build-14-notes-20261123-001',6,1.79542193089442872998e+09,1.79542193089511418341e+09,'{}');
CREATE TABLE events (
    build_id    TEXT NOT NULL REFERENCES builds (id),
    seq         INTEGER NOT NULL,
    event_type  TEXT NOT NULL,
    step        INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    percent     INTEGER NOT NULL,
    message     TEXT NOT NULL,
    at          REAL NOT NULL,
    data        TEXT NOT NULL,
    PRIMARY KEY (build_id, seq)
) WITHOUT ROWID;
INSERT INTO "events" VALUES('build-13-library-20261123-001',1,'build_queued',1,1,0,'Intent received for droplet 13, library.',1.79542193020232558253e+09,'{"intent":"Build a Library Droplet for books"}');
INSERT INTO "events" VALUES('build-13-library-20261123-001',2,'step_started',1,1,0,'Step 1, Intent, started.',1.79542193020555162436e+09,'{"attempt":1}');
INSERT INTO "events" VALUES('build-13-library-20261123-001',3,'step_completed',1,1,0,'Droplet 13, library: the first release will be built.',1.79542193020919084553e+09,'{"duration_seconds":0.003}');
INSERT INTO "events" VALUES('build-13-library-20261123-001',4,'step_started',2,1,0,'Step 2, SPEC Generation, started.',1.79542193020919084553e+09,'{"attempt":1}');
INSERT INTO "events" VALUES('build-13-library-20261123-001',5,'step_completed',2,1,0,'SPEC written, score 100 of 100; it serves items.',1.79542193021803069118e+09,'{"duration_seconds":0.009}');
INSERT INTO "events" VALUES('build-13-library-20261123-001',6,'step_started',3,1,0,'Step 3, Coordinator Package, started.',1.79542193021803069118e+09,'{"attempt":1}');
INSERT INTO "events" VALUES('build-13-library-20261123-001',7,'step_completed',3,1,0,'Repository ready with 53 files at 695ce23edb.',1.79542193033156418802e+09,'{"duration_seconds":0.113}');
INSERT INTO "events" VALUES('build-13-library-20261123-001',8,'step_started',4,1,0,'Step 4, Apprentice Build, started.',1.79542193033156418802e+09,'{"attempt":1}');
INSERT INTO "events" VALUES('build-13-library-20261123-001',9,'code_written',4,1,0,'No model was used: the code follows from the SPEC''s resources by rule (provider scaffold).',1.7954219304597232342e+09,'{"left_out":["Of the purpose only the storing and serving of the resources was built; rules, calculations and workflows that the SPEC describes in words were not.","Relations between resources, unique values, search and filters were not built.","Calls to other services and work on a schedule were not built.","Who may do what was not built: every caller that is let in may do everything."]}');
INSERT INTO "events" VALUES('build-13-library-20261123-001',10,'step_completed',4,1,0,'9 files written by rule at a14c9f0e1b. No model was used: the code follows from the SPEC''s resources by rule (provider scaffold).',1.7954219304597232342e+09,'{"duration_seconds":0.128}');
INSERT INTO "events" VALUES('build-13-library-20261123-001',11,'step_started',5,1,0,'Step 5, Verifier, started.',1.7954219304597232342e+09,'{"attempt":1}');
INSERT INTO "events" VALUES('build-13-library-20261123-001',12,'step_completed',5,1,6,'Verified: 3 tests pass, 1 rules checked.',1.79542193051223015779e+09,'{"duration_seconds":0.053}');
INSERT INTO "events" VALUES('build-13-library-20261123-001',13,'approval_requested',6,1,6,'The droplet is built and verified. Approving deploys it.',1.79542193051223015779e+09,'{"checkpoint":"built","gate_id":"built-5723c93f6a96"}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',1,'build_queued',1,1,0,'Intent received for droplet 14, notes.',1.79542193051388120645e+09,'{"intent":"Build Notes Droplet for notes"}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',2,'step_started',1,1,0,'Step 1, Intent, started.',1.79542193051535773273e+09,'{"attempt":1}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',3,'step_completed',1,1,0,'Droplet 14, notes: the first release will be built.',1.79542193051787209515e+09,'{"duration_seconds":0.002}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',4,'step_started',2,1,0,'Step 2, SPEC Generation, started.',1.79542193051787209515e+09,'{"attempt":1}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',5,'step_completed',2,1,0,'SPEC written, score 100 of 100; it serves items.',1.79542193051992607115e+09,'{"duration_seconds":0.002}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',6,'step_started',3,1,0,'Step 3, Coordinator Package, started.',1.79542193051992607115e+09,'{"attempt":1}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',7,'step_completed',3,1,2,'Repository ready with 53 files at 8040a903e7.',1.79542193064524245255e+09,'{"duration_seconds":0.125}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',8,'step_started',4,1,2,'Step 4, Apprentice Build, started.',1.79542193064524245255e+09,'{"attempt":1}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',9,'code_written',4,1,5,'No model was used: the code follows from the SPEC''s resources by rule (provider scaffold).',1.79542193076163864137e+09,'{"left_out":["Of the purpose only the storing and serving of the resources was built; rules, calculations and workflows that the SPEC describes in words were not.","Relations between resources, unique values, search and filters were not built.","Calls to other services and work on a schedule were not built.","Who may do what was not built: every caller that is let in may do everything."]}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',10,'step_completed',4,1,5,'9 files written by rule at bfc6992925. No model was used: the code follows from the SPEC''s resources by rule (provider scaffold).',1.79542193076163864137e+09,'{"duration_seconds":0.116}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',11,'step_started',5,1,5,'Step 5, Verifier, started.',1.79542193076163864137e+09,'{"attempt":1}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',12,'step_completed',5,1,6,'Verified: 3 tests pass, 1 rules checked.',1.79542193082362627979e+09,'{"duration_seconds":0.062}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',13,'step_started',6,1,6,'Step 6, Deployer, started.',1.79542193082362627979e+09,'{"attempt":1}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',14,'release_starting',6,1,6,'Release build-14-notes-20261123-001-bfc69929 is being started.',1.79542193082509946825e+09,'{"deploying":"build-14-notes-20261123-001-bfc69929","earlier_release":null}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',15,'step_completed',6,1,36,'Release build-14-notes-20261123-001-bfc69929 is live at http://127.0.0.1:19001.',1.79542193091118121141e+09,'{"duration_seconds":0.088}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',16,'step_started',7,1,36,'Step 7, Registry Update, started.',1.79542193091118121141e+09,'{"attempt":1}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',17,'step_completed',7,1,66,'Registered in the built-in registry as droplet 14.',1.79542193091313982003e+09,'{"duration_seconds":0.002}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',18,'step_started',8,1,66,'Step 8, Report, started.',1.79542193091313982003e+09,'{"attempt":1}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',19,'report_ready',8,1,100,'The report is kept with the build.',1.79542193091560411456e+09,'{"build_id":"build-14-notes-20261123-001","droplet_id":14,"droplet_name":"notes","intent":"Build Notes Droplet for notes","result":"success","duration_seconds":0.4,"working_seconds":0.4,"files_created":60,"tests_passing":3,"tests_failing":0,"rules_checked":1,"spec_score":100.0,"version":"0.1.0","commit":"bfc69929255fee2a691a8d047896b545dee60a05","repository_path":"/srv/fpai/s/repositories/notes.git","repository_url":null,"release":"build-14-notes-20261123-001-bfc69929","deployment_url":"http://127.0.0.1:19001","endpoints":["POST /items","GET /items","GET /items/{item_id}","PUT /items/{item_id}","PATCH /items/{item_id}","DELETE /items/{item_id}"],"provider":"scaffold","model_used":false,"notes":["No model was used: the code follows from the SPEC''s resources by rule (provider scaffold).","The repository is local only: [github] owner and GITHUB_TOKEN are not set."],"assumptions":[],"left_out":["Of the purpose only the storing and serving of the resources was built; rules, calculations and workflows that the SPEC describes in words were not.","Relations between resources, unique values, search and filters were not built.","Calls to other services and work on a schedule were not built.","Who may do what was not built: every caller that is let in may do everything."],"model":null,"ai_iterations":0,"turns":0,"tokens":0,"cache_hit_rate":0.0,"cost_usd":0.0,"review_url":"http://localhost:8400/builds/build-14-notes-20261123-001","finished_at":"2026-11-23T08:18:50.915Z"}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',20,'step_completed',8,1,100,'Reported.',1.79542193091560411456e+09,'{"duration_seconds":0.002}');
INSERT INTO "events" VALUES('build-14-notes-20261123-001',21,'build_completed',8,1,100,'Notes Droplet #14 is live at http://127.0.0.1:19001 and registered. Ready for review.',1.79542193091560411456e+09,'{"url":"http://127.0.0.1:19001"}');
CREATE TABLE heartbeat (  -- the watchdog's proof that the database takes writes
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    at  REAL NOT NULL
);
CREATE TABLE idempotency_keys (
    key       TEXT PRIMARY KEY,
    digest    TEXT NOT NULL,
    build_id  TEXT NOT NULL,
    reply     TEXT NOT NULL,
    at        REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE log_lines (
    build_id  TEXT NOT NULL REFERENCES builds (id),
    line      INTEGER NOT NULL,
    step      INTEGER NOT NULL,
    attempt   INTEGER NOT NULL,
    level     TEXT NOT NULL,
    text      TEXT NOT NULL,
    at        REAL NOT NULL,
    PRIMARY KEY (build_id, line)
) WITHOUT ROWID;
INSERT INTO "log_lines" VALUES('build-13-library-20261123-001',1,2,1,'info','SPEC of 4403 characters, score 100; resources: items.',1.79542193021781301505e+09);
INSERT INTO "log_lines" VALUES('build-13-library-20261123-001',2,3,1,'info','Package of 53 files committed as 695ce23edb.',1.79542193033127379419e+09);
INSERT INTO "log_lines" VALUES('build-13-library-20261123-001',3,4,1,'info','No model was used: the code follows from the SPEC''s resources by rule (provider scaffold). 9 files written, commit a14c9f0e1b.',1.79542193045935344697e+09);
INSERT INTO "log_lines" VALUES('build-13-library-20261123-001',4,4,1,'warning','Left out: Of the purpose only the storing and serving of the resources was built; rules, calculations and workflows that the SPEC describes in words were not.',1.79542193045936656001e+09);
INSERT INTO "log_lines" VALUES('build-13-library-20261123-001',5,4,1,'warning','Left out: Relations between resources, unique values, search and filters were not built.',1.79542193045937108989e+09);
INSERT INTO "log_lines" VALUES('build-14-notes-20261123-001',1,2,1,'info','SPEC of 4373 characters, score 100; resources: items.',1.79542193051980543136e+09);
INSERT INTO "log_lines" VALUES('build-14-notes-20261123-001',2,3,1,'info','Package of 53 files committed as 8040a903e7.',1.79542193064502692218e+09);
INSERT INTO "log_lines" VALUES('build-14-notes-20261123-001',3,4,1,'info','No model was used: the code follows from the SPEC''s resources by rule (provider scaffold). 9 files written, commit bfc6992925.',1.79542193076137328146e+09);
INSERT INTO "log_lines" VALUES('build-14-notes-20261123-001',4,4,1,'warning','Left out: Of the purpose only the storing and serving of the resources was built; rules, calculations and workflows that the SPEC describes in words were not.',1.7954219307613823414e+09);
INSERT INTO "log_lines" VALUES('build-14-notes-20261123-001',5,4,1,'warning','Left out: Relations between resources, unique values, search and filters were not built.',1.79542193076138520239e+09);
CREATE TABLE messages (  -- the history of each conversation, valid as it stands
    build_id      TEXT NOT NULL REFERENCES builds (id),
    conversation  TEXT NOT NULL,
    position      INTEGER NOT NULL,
    role          TEXT NOT NULL,
    content       TEXT NOT NULL,            -- JSON: blocks, verbatim
    turn          INTEGER,                  -- of an assistant's message
    snapshot      TEXT,                     -- the commit that holds the workspace as this message tells of it
    at            REAL NOT NULL,
    PRIMARY KEY (build_id, conversation, position)
);
CREATE TABLE orders (  -- builds ordered by message or by a task: whom to tell how they ended
    build_id    TEXT PRIMARY KEY REFERENCES builds (id),
    kind        TEXT NOT NULL,              -- reply or task: the kind of the outbox row that tells
    subject     TEXT NOT NULL,              -- the message's trace or the task's id
    address     TEXT NOT NULL,              -- where to, as the outbox takes it
    form        TEXT NOT NULL,              -- JSON: what the answer repeats of the order
    told_at     REAL                        -- finished_at of the end that is in the outbox
) WITHOUT ROWID;
CREATE TABLE outbox (  -- one row for each message; it is sent until its receiver has taken it, or for a day
    number      INTEGER PRIMARY KEY,        -- messages of one build to one address go out in this order
    id          TEXT NOT NULL UNIQUE,       -- the same on every try, so that a receiver knows a repeat
    kind        TEXT NOT NULL,              -- who sends it: reply, task, …
    build_id    TEXT NOT NULL REFERENCES builds (id),
    address     TEXT NOT NULL,
    body        TEXT NOT NULL,              -- JSON
    created_at  REAL NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0, -- counted before each try
    next_at     REAL NOT NULL,
    sent_at     REAL,
    gave_up_at  REAL,
    reason      TEXT                        -- why the last try failed
, receipt TEXT, subject TEXT);
INSERT INTO "outbox" VALUES(1,'notify-email-build-13-library-20261123-001-13','notify','build-13-library-20261123-001','email','{"kind":"build.gate_opened","build_id":"build-13-library-20261123-001","droplet_id":13,"droplet_name":"library","title":"Library","intent":"Build a Library Droplet for books","status":"waiting_approval","step":6,"message":"The droplet is built and verified. Approving deploys it.","checkpoint":"built","gate_id":"built-5723c93f6a96","asks":"The droplet is built and verified. Approving deploys it.","evidence":{"tests_passing":3,"tests_failing":0,"rules_checked":1,"rules_failed":[],"not_shown":""},"questions":[],"decided_gate_id":null,"decision":null,"decided_by":null,"feedback":null,"error":null,"duration_seconds":0.3,"files_created":60,"tests_passing":3,"tests_failing":0,"spec_score":100.0,"deployment_url":null,"repository_url":null,"release":null,"commit":"a14c9f0e1b0703b93d42b358de8ad1e31277ab67","cost_usd":0.0,"cost_known":true,"budget_usd":null,"approval_mode":"final","review_url":"http://localhost:8400/builds/build-13-library-20261123-001","timestamp":"2026-11-23T08:18:50.512Z"}',1.79542193051223015779e+09,1,1.7954219905148944854e+09,NULL,1.79542193051662302017e+09,'The channel email is not configured.',NULL,'built-5723c93f6a96');
CREATE TABLE releases (
    id           TEXT PRIMARY KEY,
    droplet_id   INTEGER NOT NULL,
    build_id     TEXT NOT NULL REFERENCES builds (id),
    version      TEXT NOT NULL,
    commit_hash  TEXT NOT NULL,
    target       TEXT NOT NULL,
    url          TEXT NOT NULL,
    handle       TEXT NOT NULL,
    state        TEXT NOT NULL,  -- live, superseded, withdrawn
    created_at   REAL NOT NULL,
    updated_at   REAL NOT NULL
) WITHOUT ROWID;
INSERT INTO "releases" VALUES('build-14-notes-20261123-001-bfc69929',14,'build-14-notes-20261123-001','0.1.0','bfc69929255fee2a691a8d047896b545dee60a05','process','http://127.0.0.1:19001','{"release_id": "build-14-notes-20261123-001-bfc69929"}','live',1.79542193089607191088e+09,1.79542193089607191088e+09);
CREATE TABLE step_runs (  -- one row for each completed attempt: the history that estimates are made of
    id        INTEGER PRIMARY KEY,
    build_id  TEXT NOT NULL REFERENCES builds (id),
    step      INTEGER NOT NULL,
    attempt   INTEGER NOT NULL,
    ended     TEXT NOT NULL,
    at        REAL NOT NULL,
    seconds   REAL NOT NULL
);
INSERT INTO "step_runs" VALUES(1,'build-13-library-20261123-001',1,1,'done',1.79542193020890688895e+09,3.4711360931396484375e-03);
INSERT INTO "step_runs" VALUES(2,'build-13-library-20261123-001',2,1,'done',1.79542193021788144108e+09,8.974552154541015625e-03);
INSERT INTO "step_runs" VALUES(3,'build-13-library-20261123-001',3,1,'done',1.79542193033134293549e+09,1.1346149444580078125e-01);
INSERT INTO "step_runs" VALUES(4,'build-13-library-20261123-001',4,1,'done',1.79542193045945286744e+09,1.2810993194580078125e-01);
INSERT INTO "step_runs" VALUES(5,'build-13-library-20261123-001',5,1,'done',1.79542193051195549959e+09,5.250263214111328125e-02);
INSERT INTO "step_runs" VALUES(6,'build-14-notes-20261123-001',1,1,'done',1.79542193051776552198e+09,2.4626255035400390625e-03);
INSERT INTO "step_runs" VALUES(7,'build-14-notes-20261123-001',2,1,'done',1.79542193051983523365e+09,2.0697116851806640625e-03);
INSERT INTO "step_runs" VALUES(8,'build-14-notes-20261123-001',3,1,'done',1.79542193064507555957e+09,1.25240325927734375e-01);
INSERT INTO "step_runs" VALUES(9,'build-14-notes-20261123-001',4,1,'done',1.79542193076144456862e+09,1.16369009017944335937e-01);
INSERT INTO "step_runs" VALUES(10,'build-14-notes-20261123-001',5,1,'done',1.79542193082330942153e+09,6.18648529052734375e-02);
INSERT INTO "step_runs" VALUES(11,'build-14-notes-20261123-001',6,1,'done',1.79542193091087865829e+09,0.0875692367553711);
INSERT INTO "step_runs" VALUES(12,'build-14-notes-20261123-001',7,1,'done',1.79542193091301083567e+09,2.1321773529052734375e-03);
INSERT INTO "step_runs" VALUES(13,'build-14-notes-20261123-001',8,1,'done',1.79542193091542243957e+09,2.4116039276123046875e-03);
CREATE TABLE step_tallies (             -- ended attempts by how long they took; a histogram in cells
    step     INTEGER NOT NULL,
    ended    TEXT NOT NULL,
    cell     INTEGER NOT NULL,          -- number of the bounds 1, 5, 15, 60, 300, 900, 3600 s below the duration
    count    INTEGER NOT NULL,
    seconds  REAL NOT NULL,
    PRIMARY KEY (step, ended, cell)
) WITHOUT ROWID;
INSERT INTO "step_tallies" VALUES(1,'done',0,2,5.9337615966796875e-03);
INSERT INTO "step_tallies" VALUES(2,'done',0,2,1.10442638397216796875e-02);
INSERT INTO "step_tallies" VALUES(3,'done',0,2,2.3870182037353515625e-01);
INSERT INTO "step_tallies" VALUES(4,'done',0,2,2.44478940963745117187e-01);
INSERT INTO "step_tallies" VALUES(5,'done',0,2,1.1436748504638671875e-01);
INSERT INTO "step_tallies" VALUES(6,'done',0,1,0.0875692367553711);
INSERT INTO "step_tallies" VALUES(7,'done',0,1,2.1321773529052734375e-03);
INSERT INTO "step_tallies" VALUES(8,'done',0,1,2.4116039276123046875e-03);
CREATE TABLE tallies (
    what   TEXT NOT NULL,               -- build_submitted, build_entered, release_withdrawn, message_sent, …
    kind   TEXT NOT NULL,               -- the state that a build entered, the message's kind
    label  TEXT NOT NULL,               -- the channel of a notice
    count  INTEGER NOT NULL,
    PRIMARY KEY (what, kind, label)
) WITHOUT ROWID;
INSERT INTO "tallies" VALUES('build_entered','complete','',1);
INSERT INTO "tallies" VALUES('build_entered','waiting_approval','',1);
INSERT INTO "tallies" VALUES('build_submitted','','',2);
INSERT INTO "tallies" VALUES('message_given_up','notify','email',1);
CREATE TABLE tool_calls (
    build_id     TEXT NOT NULL REFERENCES builds (id),
    turn         INTEGER NOT NULL,
    position     INTEGER NOT NULL,          -- within the reply
    call_id      TEXT NOT NULL,
    name         TEXT NOT NULL,
    input        TEXT NOT NULL,
    state        TEXT NOT NULL,             -- started, finished
    started_at   REAL NOT NULL,
    finished_at  REAL,
    result       TEXT,                      -- what the model was told
    is_error     INTEGER NOT NULL DEFAULT 0,
    full_output  TEXT,                      -- the whole output where the result holds only its ends
    snapshot     TEXT,
    PRIMARY KEY (build_id, turn, position)
) WITHOUT ROWID;
CREATE TABLE trace_queue (              -- what has ended and was not yet taken by the collector of traces
    number    INTEGER PRIMARY KEY,
    build_id  TEXT NOT NULL,
    run       INTEGER,                  -- of step_runs; NULL: the build itself
    outcome   TEXT,                     -- of the build
    at        REAL NOT NULL
);
CREATE TABLE tracing (                  -- one row while the daemon is configured to send traces
    id  INTEGER PRIMARY KEY CHECK (id = 1)
);
CREATE TABLE turn_tallies (             -- ended model calls
    model               TEXT NOT NULL,
    outcome             TEXT NOT NULL,  -- answered, failed, lost
    count               INTEGER NOT NULL,
    seconds             REAL NOT NULL,
    input_tokens        INTEGER NOT NULL,
    output_tokens       INTEGER NOT NULL,
    cache_read_tokens   INTEGER NOT NULL,
    cache_write_tokens  INTEGER NOT NULL,
    usd                 REAL NOT NULL,
    unpriced            INTEGER NOT NULL,  -- calls whose dollars are not known
    PRIMARY KEY (model, outcome)
) WITHOUT ROWID;
CREATE TABLE turns (  -- one row for each model call; `asked` without an end is one that a kill cut off
    build_id            TEXT NOT NULL REFERENCES builds (id),
    number              INTEGER NOT NULL,   -- 1, 2, … over all conversations of the build
    conversation        TEXT NOT NULL,
    model               TEXT NOT NULL,
    state               TEXT NOT NULL,      -- asked, answered, failed, lost
    asked_at            REAL NOT NULL,
    ended_at            REAL,
    message_id          TEXT,
    stop_reason         TEXT,
    input_tokens        INTEGER NOT NULL DEFAULT 0,
    output_tokens       INTEGER NOT NULL DEFAULT 0,
    cache_read_tokens   INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens  INTEGER NOT NULL DEFAULT 0,
    usd                 REAL,               -- NULL: not known
    error               TEXT,
    PRIMARY KEY (build_id, number)
) WITHOUT ROWID;
CREATE INDEX builds_newest ON builds (created_at DESC, id DESC);
CREATE INDEX builds_of_droplet ON builds (droplet_id, created_at DESC);
CREATE INDEX builds_in_state ON builds (state, created_at DESC, id DESC);
CREATE INDEX builds_unfinished ON builds (created_at, id)
    WHERE state IN ('queued', 'in_progress', 'waiting_approval', 'waiting_input', 'waiting_retry', 'withdrawing');
CREATE INDEX step_runs_of_build ON step_runs (build_id);
CREATE INDEX step_runs_history ON step_runs (step, id DESC) WHERE ended = 'done';
CREATE INDEX effects_of_build ON effects (build_id);
CREATE INDEX decisions_of_build ON decisions (build_id);
CREATE INDEX releases_of_droplet ON releases (droplet_id, created_at DESC);
CREATE INDEX outbox_open ON outbox (next_at) WHERE sent_at IS NULL AND gave_up_at IS NULL;
CREATE INDEX outbox_of_build ON outbox (build_id);
CREATE INDEX orders_of_subject ON orders (kind, subject);
CREATE INDEX outbox_of_subject ON outbox (subject, address) WHERE subject IS NOT NULL;
CREATE TRIGGER builds_submitted AFTER INSERT ON builds BEGIN
    INSERT INTO tallies VALUES ('build_submitted', '', '', 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER builds_moved AFTER UPDATE OF state ON builds
WHEN NEW.state <> OLD.state AND NOT (OLD.state = 'withdrawing' AND NEW.state = 'complete') BEGIN
    INSERT INTO tallies VALUES ('build_entered', NEW.state, '', 1) ON CONFLICT DO UPDATE SET count = count + 1;
    INSERT INTO tallies SELECT 'release_withdrawn', '', '', 1 WHERE OLD.state = 'withdrawing'
        ON CONFLICT DO UPDATE SET count = count + 1;
    INSERT INTO trace_queue (build_id, outcome, at) SELECT NEW.id, NEW.state, NEW.finished_at FROM tracing
        WHERE NEW.finished_at IS NOT NULL;
END;
CREATE TRIGGER messages_sent AFTER UPDATE OF sent_at ON outbox WHEN OLD.sent_at IS NULL BEGIN
    INSERT INTO tallies VALUES ('message_sent', NEW.kind, iif(NEW.kind = 'notify', NEW.address, ''), 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER messages_given_up AFTER UPDATE OF gave_up_at ON outbox WHEN OLD.gave_up_at IS NULL BEGIN
    INSERT INTO tallies VALUES ('message_given_up', NEW.kind, iif(NEW.kind = 'notify', NEW.address, ''), 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER messages_failed AFTER UPDATE OF reason ON outbox WHEN NEW.reason IS NOT NULL BEGIN
    INSERT INTO tallies VALUES ('message_failed', NEW.kind, iif(NEW.kind = 'notify', NEW.address, ''), 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER steps_ended AFTER INSERT ON step_runs BEGIN
    INSERT INTO step_tallies VALUES (NEW.step, NEW.ended, (NEW.seconds > 1) + (NEW.seconds > 5)
        + (NEW.seconds > 15) + (NEW.seconds > 60) + (NEW.seconds > 300) + (NEW.seconds > 900)
        + (NEW.seconds > 3600), 1, NEW.seconds)
        ON CONFLICT DO UPDATE SET count = count + 1, seconds = seconds + excluded.seconds;
    INSERT INTO trace_queue (build_id, run, at) SELECT NEW.build_id, NEW.id, NEW.at FROM tracing;
END;
CREATE TRIGGER turns_ended AFTER UPDATE OF state ON turns WHEN OLD.state = 'asked' AND NEW.state <> 'asked' BEGIN
    INSERT INTO turn_tallies VALUES (NEW.model, NEW.state, 1,
        iif(NEW.state = 'lost', 0, max(0, NEW.ended_at - NEW.asked_at)), NEW.input_tokens, NEW.output_tokens,
        NEW.cache_read_tokens, NEW.cache_write_tokens, coalesce(NEW.usd, 0), NEW.usd IS NULL)
        ON CONFLICT DO UPDATE SET count = count + 1, seconds = seconds + excluded.seconds,
        input_tokens = input_tokens + excluded.input_tokens,
        output_tokens = output_tokens + excluded.output_tokens,
        cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
        cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
        usd = usd + excluded.usd, unpriced = unpriced + excluded.unpriced;
END;
COMMIT;
PRAGMA user_version = 5;
