"""Every number that bounds something, each with its reason."""

from datetime import timedelta

# Hooks of Azure DevOps are a few kB; 2 MB is what it sends at most (facts: payload limit of service hooks).
HOOK_BODY_BYTES = 2 * 1024 * 1024

# Hooks that one process takes in at the same time. Each puts one message into a queue, some ten milliseconds.
HOOKS_AT_ONCE = 4

# How much of a body that cannot be read is kept for a person: hooks are a few kB.
QUARANTINE_BYTES = 64 * 1024
# How long: two weeks are enough to come back from a holiday, and whatever a stranger wrote does not stay for ever.
QUARANTINE_LIFETIME = timedelta(days=14)

# A queue message may be 64 KiB. Ours name things and hold nothing; the largest lists the environments of a rerun.
MESSAGE_BYTES = 48 * 1024

# A definition file is a list of packages. The longest real ones (compiled, with hashes) stay far below this.
DEFINITION_BYTES = 8 * 1024 * 1024
# YAML costs libyaml some hundred bytes of memory for each of its own; environments and conda files are small.
YAML_BYTES = 2 * 1024 * 1024

# A rules file with its aliases written out: room for an entry about each of thousands of environments. Aliases of
# aliases could make it as large as memory.
YAML_VALUES = 50_000
# Rules are four levels deep.
YAML_DEPTH = 50

# Problems of a rules file that are named at once: each held environment's reason repeats them.
RULES_PROBLEMS = 20

# What one version may ask of others. The longest real lists are those of extras, some hundreds.
NEEDS = 1000
NEED_CHARACTERS = 1000
# A reason is one line for a person.
REASON_CHARACTERS = 300
# One requirement of an inline environment, as it is shown.
REQUIREMENT_CHARACTERS = 120
# Rows that a plan lists of each: inline environments that require a release, references to what is rebuilt. The rest
# is counted. Some 30 kB of a ledger's entry at most, unless paths are longer than anybody reads.
ELSEWHERE_ROWS = 100
# Rows that a commit's message and a job's summary list: a person reads them.
SUMMARY_ROWS = 20
# References that one file may hold: generated files of thousands would cost a scan seconds.
REFERENCES_PER_FILE = 1000
# Python files that are looked through for environments; of a repository with more, none. They are fetched once for
# each process, BLOBS_PER_REQUEST at a time (ten requests at most), and after that only those that change.
PYTHON_FILES = 2000
# Python costs its parser some hundred bytes of memory for each of its own, and people write no files of this length.
PYTHON_CHARACTERS = 1024 * 1024
# Releases that are named where something is parked; they are all in its messages.
SHOWN_RELEASES = 5

# Includes of includes: deeper chains are a mistake or a loop.
INCLUDE_DEPTH = 10

# One request fetches this many blobs as a zip: large enough to make few requests, small enough for one answer.
BLOBS_PER_REQUEST = 200
# What that zip holds, unpacked: a zip of zeros could be as large as memory.
UNPACKED_BYTES = 256 * 1024 * 1024

# Jobs that one pipeline run may hold. Azure Pipelines expands one job per environment and stops at 256 jobs.
ENVIRONMENTS_PER_RUN = 50

# The feed lists a version at its first file and its index may lag. After this we stop looking by ourselves;
# the timer and a person can ask again.
FEED_PATIENCE = timedelta(minutes=30)

# How often a plan is made anew because the branch moved, before the message is given back to the queue.
PLANS_PER_MESSAGE = 5

# Changes that one request of the feed's change log returns (the service's maximum is 2,000).
CHANGES_PER_REQUEST = 1000
# Pages of the change log that one run of the timer reads; the token is stored, so the next run goes on.
CHANGE_PAGES = 20

# Packages that one request lists, with all their versions: small enough for one answer. Nobody documents a maximum.
PACKAGES_PER_REQUEST = 500
# Pages of that list: 50,000 packages are more than a feed with a public upstream gathers.
PACKAGE_PAGES = 100

# A page of the simple index: a link is some 300 bytes, and packages with 20,000 files are not heard of.
INDEX_PAGE_BYTES = 8 * 1024 * 1024
# File systems take no longer names, so no installer could store such a file.
FILE_NAME_CHARACTERS = 255
# A wheel is downloaded for its METADATA alone. Private packages are source code and stay far below this; public ones
# that do not (with CUDA inside) are not worth a function's disk and time.
WHEEL_BYTES = 128 * 1024 * 1024
# Up to this size a wheel stays in memory, as most do.
WHEEL_MEMORY_BYTES = 8 * 1024 * 1024
# The list of files inside a wheel: some 100 bytes for each of 80,000 files.
WHEEL_DIRECTORY_BYTES = 8 * 1024 * 1024
# METADATA holds the whole README; the longest on the public index are some 500 kB.
METADATA_BYTES = 2 * 1024 * 1024
# The whole of one download, in seconds: REQUEST_SECONDS bounds the wait for each piece only.
DOWNLOAD_SECONDS = 120
# From the feed's name to its id, to the storage, to a cache before it: three are known.
REDIRECTS = 5

# Clocks of two services differ: runs are looked up from this long before the claim.
CLOCK_SKEW = timedelta(minutes=5)
# Runs on one page of a look-up: most look-ups need no second one.
RUNS_PER_LOOKUP = 100
# Pages of it, newest runs first, since the rebuild began: a rebuild of 50,000 environments has 1,000 runs.
RUN_PAGES = 100

# How far back a job looks for an older run of its own work. Between the two lie the app's tries (some hours); between
# the second and its first step the wait for an approval, a permission or an agent.
DUPLICATE_WINDOW = timedelta(days=7)

# How long a turn goes on before it stops at the next safe point, of host.json's functionTimeout: what lies between two
# of them (a request that is repeated, some hundred writes) has the rest.
TURN_TIME = timedelta(minutes=3)

# A claim older than this belongs to a worker that is gone: host.json's functionTimeout, and a minute.
CLAIM_LIFETIME = timedelta(minutes=6)

# A service that does not answer: the message comes again after a pause that doubles, up to a limit; then what it is
# about is parked.
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)
TRIES = 30

# Clocks of two workers differ by less. A message that comes so much too early is sent again for the rest.
CLOCK_TOLERANCE = timedelta(seconds=5)

# A failed attempt is followed by the next one after this: most of what passes by itself passes in a minute.
RETRY_PAUSE = timedelta(minutes=1)

# What is held may go on for a reason that nobody tells of, such as a file that an index shows late: it is planned
# again so often.
HELD_PERIOD = timedelta(hours=1)
# Releases of one package that are planned again while they are held: the newest, of pre-releases and others, and of
# each kind of hold. Each costs every plan a few requests.
HELD_PER_PACKAGE = 10

# Work that nobody has touched for so long is continued by the timer: longer than the longest pause between tries.
# For so long, too, an entry of something parked waits for what was about to be parked with it.
STANDSTILL = timedelta(minutes=15)

# How long Azure ML is asked for a version that a successful job says it has registered.
REGISTRATION_PATIENCE = timedelta(minutes=10)

# While suspended, a message looks again this often.
SUSPENDED_PAUSE = timedelta(minutes=1)

# The list of a feed's own packages changes when a package is new, which no environment can depend on yet.
PACKAGES_LIFETIME = timedelta(minutes=15)

# Versions whose METADATA is fetched before what was fetched is kept: some hundred requests, SIDE_BY_SIDE at a time.
METADATA_PER_CALL = 100

# Commits that one page of a branch's history lists.
COMMITS_PER_REQUEST = 500
# Pages of it. A look that would need more is an error, not an answer.
COMMIT_PAGES = 200

# Who dismisses something, and why: a line for a person each.
DISMISSAL_CHARACTERS = 200

# Pages of 5,000 blobs each: far more than a target's ledger gathers in years.
LEDGER_PAGES = 200
# Pages of an environment's versions; it would need thousands of rebuilds to fill them.
AZURE_ML_PAGES = 100
# Versions that Azure ML is asked for before what it said is recorded: what a worker that dies has asked in vain.
LOOK_UPS_PER_RECORD = 50
# The SDK's own bounds are 300 seconds for each read, and a message comes again anyway. In seconds.
AZURE_ML_RETRIES = 2
AZURE_ML_CONNECT_SECONDS = 5
AZURE_ML_READ_SECONDS = 20

# Entries that one process remembers as it read them, for the writes that follow: some 500 bytes each. A plan reads what
# each affected environment carries, and its rebuild writes it.
REMEMBERED_ENTRIES = 20_000

# A ledger entry is changed by compare and swap; this many losses in a row mean something else is wrong.
SWAP_ATTEMPTS = 10

# Calls that one adapter makes at the same time: as many connections as the SDKs' HTTP client keeps open for a service
# (urllib3's pool); with more, each would connect anew.
SIDE_BY_SIDE = 10

# Storage: the SDK's own retries wait a minute in all, twice as long as a hook's sender waits for its answer (30 s).
# Ours are short, in seconds; the longer wait belongs to the queue's message.
STORAGE_RETRIES = 2
STORAGE_FIRST_PAUSE = 1
STORAGE_CONNECT_SECONDS = 5
STORAGE_READ_SECONDS = 20

# What a service asks us to wait (`Retry-After`) is slept inside a function up to here; longer waits belong to the
# queue's message. As long as FIRST_PAUSE, with which the message would come again.
PAUSE_INSIDE = timedelta(seconds=5)
# Reads of Azure DevOps that fail are repeated as its SDK has it: some five seconds in all, and then the message.
DEVOPS_RETRIES = 3
DEVOPS_FIRST_PAUSE = 0.8
# One answer of Azure DevOps: JSON takes some ten times its size in memory, and the platform gives 1.5 GB. The longest
# is the list of a repository's files, some 500 bytes for each.
ANSWER_BYTES = 64 * 1024 * 1024

# How long one call to Azure DevOps may stay silent, in seconds: to connect, and between two reads. The SDK's own
# default of 100 s is most of a function's life.
REQUEST_SECONDS = 60

# How long the Azure CLI may take for a token, in seconds. azure-identity gives it 10, and on a hosted agent its first
# call needs more now and then (Azure/azure-cli#20404, #28915).
AZURE_CLI_SECONDS = 120

# host.json's maxDequeueCount: a message that is handed out for this time is parked by ourselves, before the platform
# does, since it moves a message to the poison queue only when the function reported a failure.
MAX_DEQUEUE_COUNT = 5
