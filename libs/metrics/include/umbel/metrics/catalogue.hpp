// Every metric's name, help, labels and buckets, declared once. docs/metrics.md lists the same set;
// a test compares them.
//
// `umbel_` + noun + base unit, `_total` on counters alone; the submission metrics have the names
// that dashboards for Reddit scrapers already use.
#pragma once

#include <vector>

#include "umbel/metrics/metrics.hpp"

namespace umbel::metrics {

// Seconds, from half a millisecond to five minutes: task run and wait times.
inline const std::vector<double> kTaskSeconds{
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};

// Every program.
inline const Family kBuildInfo{"umbel_build_info",
                               Kind::Gauge,
                               "Always 1; the program and its version.",
                               {"program", "version"},
                               {}};
inline const Family kLabelsFolded{
    "umbel_metric_labels_folded_total",
    Kind::Counter,
    "Label values folded into `other` because the family has its bound of series.",
    {},
    {}};
inline const Family kProcessResident{
    "process_resident_memory_bytes", Kind::Gauge, "Resident memory of this process.", {}, {}};
inline const Family kProcessCpu{"process_cpu_seconds_total",
                                Kind::Counter,
                                "User and system CPU time of this process.",
                                {},
                                {}};
inline const Family kProcessStart{
    "process_start_time_seconds", Kind::Gauge, "When this process started, in Unix time.", {}, {}};
inline const Family kProcessFds{
    "process_open_fds", Kind::Gauge, "Open file descriptors of this process.", {}, {}};
inline const Family kProcessThreads{
    "process_threads", Kind::Gauge, "Threads of this process.", {}, {}};

// Worker.
inline const Family kTasksReceived{"umbel_tasks_received_total",
                                   Kind::Counter,
                                   "Messages taken from a queue, redelivered ones too.",
                                   {"queue"},
                                   {}};
inline const Family kTasksFinished{"umbel_tasks_finished_total",
                                   Kind::Counter,
                                   "Task runs that ended.",
                                   {"task", "queue", "outcome"},
                                   {}};
inline const Family kTaskRunSeconds{"umbel_task_run_duration_seconds",
                                    Kind::Histogram,
                                    "How long a task ran.",
                                    {"task", "queue"},
                                    kTaskSeconds};
inline const Family kTaskWaitSeconds{"umbel_task_wait_duration_seconds",
                                     Kind::Histogram,
                                     "From the moment a message became deliverable to its start.",
                                     {"queue"},
                                     kTaskSeconds};
inline const Family kTasksActive{
    "umbel_worker_tasks_active", Kind::Gauge, "Tasks running now.", {}, {}};
inline const Family kWorkerSlots{"umbel_worker_slots", Kind::Gauge, "Size of the pool.", {}, {}};
inline const Family kTasksPrefetched{
    "umbel_worker_tasks_prefetched", Kind::Gauge, "Messages held and not started.", {}, {}};
inline const Family kTaskRedelivered{"umbel_tasks_redelivered_total",
                                     Kind::Counter,
                                     "Messages that some worker had held before.",
                                     {"queue"},
                                     {}};
inline const Family kTaskDuplicates{"umbel_tasks_duplicate_total",
                                    Kind::Counter,
                                    "Runs whose result was refused or messages dropped because the "
                                    "task had a newer run or a final result.",
                                    {},
                                    {}};
inline const Family kTasksSuperseded{
    "umbel_tasks_superseded_total",
    Kind::Counter,
    "Of these, runs: they ended after another worker had been given the task, and changed nothing.",
    {},
    {}};
inline const Family kSlotsStuck{
    "umbel_worker_slots_stuck",
    Kind::Gauge,
    "Slots lost to a task that did not return after its soft time limit.",
    {},
    {}};
inline const Family kTasksStuck{"umbel_tasks_stuck_total",
                                Kind::Counter,
                                "Runs given up because the task did not return after its soft time "
                                "limit.",
                                {"task"},
                                {}};
inline const Family kProcessesLost{"umbel_task_processes_lost_total",
                                   Kind::Counter,
                                   "Task processes that ended before their time (prefork), by why.",
                                   {"why"},
                                   {}};
inline const Family kControlRequests{
    "umbel_control_requests_total",
    Kind::Counter,
    "Requests of remote control to this worker, by method and result.",
    {"method", "result"},
    {}};
inline const Family kTasksUndecodable{"umbel_tasks_undecodable_total",
                                      Kind::Counter,
                                      "Messages that were no task messages, dropped.",
                                      {"queue"},
                                      {}};
inline const Family kCallerResults{
    "umbel_caller_results_total",
    Kind::Counter,
    "States of tasks for callers outside, by outcome: told, refused, skipped (one on the way, "
    "while "
    "nothing could be told), dropped (too many waited, or the worker stopped).",
    {"outcome"},
    {}};
inline const Family kCallerResultsWaiting{
    "umbel_caller_results_waiting",
    Kind::Gauge,
    "States of tasks that wait to be told where callers read.",
    {},
    {}};
inline const Family kCallerResultErrors{"umbel_caller_result_errors_total",
                                        Kind::Counter,
                                        "Calls to where callers read that failed.",
                                        {"call"},
                                        {}};
inline const Family kChordParts{"umbel_chord_parts_total",
                                Kind::Counter,
                                "Parts of chords counted where callers read, by outcome: waiting, "
                                "complete (the body was sent), "
                                "failed, refused.",
                                {"outcome"},
                                {}};
inline const Family kEventsSent{
    "umbel_events_sent_total", Kind::Counter, "Events handed to the broker.", {}, {}};
inline const Family kEventsDropped{"umbel_events_dropped_total",
                                   Kind::Counter,
                                   "Events given up because the buffer was full.",
                                   {},
                                   {}};
inline const Family kBrokerErrors{
    "umbel_broker_errors_total", Kind::Counter, "Broker calls that failed.", {"call"}, {}};
inline const Family kStoreErrors{
    "umbel_store_errors_total", Kind::Counter, "Store calls that failed.", {"call"}, {}};

// Reddit tasks (run inside a worker).
inline const Family kSubmissionFetchTime{
    "submission_fetch_time",
    Kind::Histogram,
    "Seconds from the start of fetching a submission to its row in the store.",
    {"source"},
    kTaskSeconds};
inline const Family kSubmissionsFetched{"submissions_fetched_total",
                                        Kind::Counter,
                                        "Submissions fetched and stored.",
                                        {"subreddit", "source"},
                                        {}};
inline const Family kSubmissionsDiscovered{"submissions_discovered_total",
                                           Kind::Counter,
                                           "Submissions that a listing showed for the first time.",
                                           {"subreddit"},
                                           {}};
inline const Family kSubmissionFetchFailures{"submission_fetch_failures_total",
                                             Kind::Counter,
                                             "Attempts to fetch a submission that failed.",
                                             {"reason"},
                                             {}};
inline const Family kSubmissionsGap{
    "submissions_gap_total",
    Kind::Counter,
    "Listings that ended before they reached what was known: submissions in between were missed.",
    {"subreddit"},
    {}};
inline const Family kSubmissionTitleLength{"submission_title_length_characters",
                                           Kind::Histogram,
                                           "Length of the title.",
                                           {"source"},
                                           {10, 20, 40, 60, 80, 100, 150, 200, 300}};
inline const Family kSubmissionTextLength{
    "submission_text_length_characters",
    Kind::Histogram,
    "Length of the text; links have none and are not observed.",
    {"source"},
    {0, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 40000}};
inline const Family kSubmissionScore{"submission_score",
                                     Kind::Histogram,
                                     "Score when fetched.",
                                     {"source"},
                                     {0, 1, 2, 5, 10, 25, 50, 100, 500, 1000, 10000}};
inline const Family kSubmissionComments{"submission_comments",
                                        Kind::Histogram,
                                        "Number of comments when fetched.",
                                        {"source"},
                                        {0, 1, 2, 5, 10, 25, 50, 100, 500, 1000, 10000}};
inline const Family kSubmissionAge{"submission_age_seconds",
                                   Kind::Histogram,
                                   "Age when fetched.",
                                   {"source"},
                                   {1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400}};

inline const Family kRedditPhaseSeconds{
    "reddit_request_phase_seconds",
    Kind::Histogram,
    "Seconds that each run of a Reddit task spent in each phase: rate_limit_wait, token, dns, "
    "connect, tls, first_byte, transfer, parse, store.",
    {"source", "phase"},
    kTaskSeconds};
inline const Family kRedditPostponed{
    "reddit_tasks_postponed_total",
    Kind::Counter,
    "Runs that ended because the rate budget was used up; the task waits and tries again.",
    {"source"},
    {}};
inline const Family kRedditPostponedSeconds{"reddit_tasks_postponed_seconds",
                                            Kind::Histogram,
                                            "For how long they were put off.",
                                            {"source"},
                                            kTaskSeconds};
inline const Family kRedditBudgetLeft{
    "reddit_rate_budget_left",
    Kind::Gauge,
    "Requests that Reddit still grants in this window, to all workers together.",
    {"source"},
    {}};

// Scheduler.
inline const Family kScheduleLastRun{"umbel_schedule_last_run_timestamp_seconds",
                                     Kind::Gauge,
                                     "The newest tick that was enqueued, in Unix time.",
                                     {"schedule"},
                                     {}};
inline const Family kScheduleNextRun{"umbel_schedule_next_run_timestamp_seconds",
                                     Kind::Gauge,
                                     "The next tick, in Unix time.",
                                     {"schedule"},
                                     {}};
inline const Family kScheduleTicks{"umbel_schedule_ticks_total",
                                   Kind::Counter,
                                   "Ticks by outcome: enqueued, taken_elsewhere, missed, failed.",
                                   {"schedule", "outcome"},
                                   {}};
inline const Family kScheduleLag{"umbel_schedule_lag_seconds",
                                 Kind::Histogram,
                                 "From the instant of a tick to its acceptance.",
                                 {},
                                 {0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300}};
inline const Family kScheduleEntries{
    "umbel_schedule_entries", Kind::Gauge, "Entries of the schedule in force.", {"enabled"}, {}};
inline const Family kScheduleReloads{"umbel_schedule_reloads_total",
                                     Kind::Counter,
                                     "Times the schedule's file was read anew: success, failure.",
                                     {"outcome"},
                                     {}};
inline const Family kScheduleReloaded{
    "umbel_schedule_reload_success_timestamp_seconds",
    Kind::Gauge,
    "When the schedule in force was read, or found unchanged on demand, in Unix time.",
    {},
    {}};
inline const Family kScheduleFileError{
    "umbel_schedule_file_error",
    Kind::Gauge,
    "1 while the schedule's file has an error, and an older one is in force.",
    {},
    {}};
inline const Family kSchedulePaused{"umbel_schedule_paused",
                                    Kind::Gauge,
                                    "1 while somebody has paused the schedule.",
                                    {"schedule"},
                                    {}};
inline const Family kTicksForgotten{"umbel_schedule_ticks_forgotten_total",
                                    Kind::Counter,
                                    "Ticks that became too old for the ledger.",
                                    {},
                                    {}};
inline const Family kClockSteps{"umbel_clock_steps_total",
                                Kind::Counter,
                                "Jumps of the wall clock by a second or more: forward, backward.",
                                {"direction"},
                                {}};

// Collector.
inline const Family kEventsReceived{
    "umbel_events_received_total", Kind::Counter, "Events decoded.", {"type"}, {}};
inline const Family kEventsUndecodable{"umbel_events_undecodable_total",
                                       Kind::Counter,
                                       "Batches (`body`) or entries (`event`) that were no events.",
                                       {"reason"},
                                       {}};
inline const Family kEventsGap{
    "umbel_events_missed_total",
    Kind::Counter,
    "Events known to have been missed, by holes in the workers' numbering.",
    {},
    {}};
inline const Family kEventBatchesCut{
    "umbel_event_batches_cut_total",
    Kind::Counter,
    "Batches that the stream's bound cut off before they were read.",
    {},
    {}};
inline const Family kEventStreamFull{
    "umbel_event_stream_full_total",
    Kind::Counter,
    "Times that the event stream turned out to have stood at its bound, where the broker does not "
    "tell what it cut off.",
    {},
    {}};
inline const Family kEventLag{"umbel_event_lag_seconds",
                              Kind::Gauge,
                              "Age of the newest event when it was taken in.",
                              {},
                              {}};
inline const Family kEventsLast{"umbel_last_event_timestamp_seconds",
                                Kind::Gauge,
                                "When the newest event was taken in, in Unix time.",
                                {},
                                {}};
inline const Family kTasksClosed{
    "umbel_tasks_closed_from_results_total",
    Kind::Counter,
    "Tasks whose end was learnt from the store because the event was lost or late.",
    {},
    {}};
inline const Family kTasksUnknown{
    "umbel_tasks_unknown",
    Kind::Gauge,
    "Unfinished tasks of which nobody knows what became: their worker is gone or does not hold "
    "them any more, and no end was told.",
    {},
    {}};
inline const Family kControlQuestions{
    "umbel_control_questions_total",
    Kind::Counter,
    "Questions to workers by remote control: answered by at least one, silent, not sent.",
    {"outcome"},
    {}};
inline const Family kTasksByState{
    "umbel_tasks", Kind::Gauge, "Tasks in live state, by state.", {"state"}, {}};
inline const Family kTasksEvicted{
    "umbel_tasks_evicted_total",
    Kind::Counter,
    "Tasks dropped from live state because it is full; history keeps them.",
    {},
    {}};
inline const Family kHistoryRows{"umbel_history_tasks_written_total",
                                 Kind::Counter,
                                 "Task rows written to the history.",
                                 {},
                                 {}};
inline const Family kHistoryBatchSeconds{
    "umbel_history_batch_duration_seconds",
    Kind::Histogram,
    "How long writing one batch of history took.",
    {},
    {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5}};
inline const Family kHistoryErrors{"umbel_history_errors_total",
                                   Kind::Counter,
                                   "Batches of history that could not be written at the first try.",
                                   {},
                                   {}};
inline const Family kHistoryWaiting{"umbel_history_waiting_tasks",
                                    Kind::Gauge,
                                    "Tasks that wait to be written to the history.",
                                    {},
                                    {}};
inline const Family kHistoryShed{
    "umbel_history_shed_total",
    Kind::Counter,
    "What was left out of the history because it did not keep up: moments of timelines, tasks' "
    "texts (arguments, results), batches of events.",
    {"what"},
    {}};
inline const Family kHistoryReread{"umbel_history_events_reread_total",
                                   Kind::Counter,
                                   "Events read a second time: for the history after an outage, or "
                                   "because the broker delivered them again.",
                                   {},
                                   {}};
inline const Family kBlindSeconds{
    "umbel_monitor_blind_seconds_total",
    Kind::Counter,
    "Seconds of which the monitor did not know everything: cut, gap (lost for good), outage, "
    "behind, stopped (known later).",
    {"reason"},
    {}};
inline const Family kLiveTaskBytes{"umbel_live_state_task_bytes",
                                   Kind::Gauge,
                                   "Memory of the tasks in live state, by its own account.",
                                   {},
                                   {}};
inline const Family kQueueTasks{"umbel_queue_tasks",
                                Kind::Gauge,
                                "Messages in a queue, by state: ready, delayed, unacked.",
                                {"queue", "state"},
                                {}};
inline const Family kQueueConsumers{
    "umbel_queue_consumers", Kind::Gauge, "Consumers of a queue.", {"queue"}, {}};
inline const Family kQueueOldest{"umbel_queue_oldest_age_seconds",
                                 Kind::Gauge,
                                 "Age of the oldest deliverable message; 0 when there is none.",
                                 {"queue"},
                                 {}};
inline const Family kQueuePublished{"umbel_queue_published_total",
                                    Kind::Counter,
                                    "Messages ever published to a queue.",
                                    {"queue"},
                                    {}};
inline const Family kQueueAcked{
    "umbel_queue_acked_total", Kind::Counter, "Messages ever acknowledged.", {"queue"}, {}};
inline const Family kWorkers{
    "umbel_workers", Kind::Gauge, "Workers by status: online, lost.", {"status"}, {}};
inline const Family kHistoryWriter{"umbel_history_writer",
                                   Kind::Gauge,
                                   "1 while this collector writes the history; 0 while it cannot, "
                                   "or another one does.",
                                   {},
                                   {}};
inline const Family kTasksOnLostWorkers{"umbel_tasks_on_lost_workers",
                                        Kind::Gauge,
                                        "Tasks that were started by a worker that is lost, and of "
                                        "which nothing has been heard since.",
                                        {},
                                        {}};
inline const Family kStoreForgotten{"umbel_store_rows_forgotten_total",
                                    Kind::Counter,
                                    "Rows of the store that were past their time.",
                                    {"table"},
                                    {}};
inline const Family kStoreBytes{
    "umbel_store_file_bytes", Kind::Gauge, "Size of the store.", {}, {}};
inline const Family kStoreFreeBytes{"umbel_store_free_bytes",
                                    Kind::Gauge,
                                    "Of the store's size, what is free and used again first.",
                                    {},
                                    {}};
inline const Family kPages{
    "umbel_live_clients", Kind::Gauge, "Pages connected to the live stream.", {}, {}};
inline const Family kPagesDropped{"umbel_live_clients_dropped_total",
                                  Kind::Counter,
                                  "Pages cut off because they did not keep up.",
                                  {},
                                  {}};
inline const Family kHttpConnections{"umbel_http_connections",
                                     Kind::Gauge,
                                     "HTTP connections open, pages on the live stream among them.",
                                     {},
                                     {}};
inline const Family kHttpTurned{
    "umbel_http_clients_turned_away_total",
    Kind::Counter,
    "Clients turned away or cut off: full (503), slow (over a deadline), malformed (bad bytes).",
    {"why"},
    {}};
inline const Family kHttpRequests{"umbel_http_requests_total",
                                  Kind::Counter,
                                  "HTTP requests answered, by status class.",
                                  {"status"},
                                  {}};
inline const Family kTasksAccepted{
    "umbel_tasks_accepted_total", Kind::Counter, "Tasks accepted over HTTP.", {}, {}};

// Every family above, for the test that compares them with docs/metrics.md.
[[nodiscard]] const std::vector<const Family*>& all_families();

}  // namespace umbel::metrics
