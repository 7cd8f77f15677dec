#include "umbel/model/task.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace umbel {
namespace {

TaskEvent event(std::string_view type, std::int64_t at = 1, std::string worker = "w1@cap") {
  static const std::vector<std::pair<std::string_view, TaskEventType>> kTypes{
      {"sent", TaskEventType::Sent},       {"received", TaskEventType::Received},
      {"started", TaskEventType::Started}, {"succeeded", TaskEventType::Succeeded},
      {"failed", TaskEventType::Failed},   {"rejected", TaskEventType::Rejected},
      {"revoked", TaskEventType::Revoked}, {"retried", TaskEventType::Retried}};
  TaskEvent made;
  made.uuid = TaskId{"u"};
  made.origin.hostname = std::move(worker);
  made.origin.timestamp = from_micros(at);
  made.origin.clock = at;
  made.custom_type = type;
  for (const auto& [name, known] : kTypes) {
    if (name == type) {
      made.type = known;
      made.custom_type.clear();
    }
  }
  if (type == "sent" || type == "received") {
    made.name = "cap.add";
    made.args = "(1, 2)";
    made.kwargs = "{}";
    made.retries = 0;
  }
  if (type == "succeeded") made.result = "3";
  if (type == "failed" || type == "retried") made.exception = "E()";
  return made;
}

Task after(std::initializer_list<std::string_view> types) {
  Task task;
  std::int64_t at = 0;
  for (const std::string_view type : types) apply(task, event(type, ++at));
  return task;
}

TEST(TaskState, has_the_names_of_celery) {
  for (const char* const name : {"PENDING", "RECEIVED", "STARTED", "SUCCESS", "FAILURE", "REVOKED",
                                 "RETRY", "REJECTED", "CUSTOM"}) {
    const auto state = task_state_from(name);
    ASSERT_TRUE(state) << name;
    EXPECT_EQ(to_text(*state), name);
  }
  EXPECT_FALSE(task_state_from("success"));
  EXPECT_FALSE(task_state_from("PROGRESS"));
  EXPECT_FALSE(task_state_from(""));
}

TEST(TaskState, is_final_after_success_failure_and_revocation_only) {
  for (const auto state : {TaskState::Success, TaskState::Failure, TaskState::Revoked}) {
    EXPECT_TRUE(is_final(state));
  }
  for (const auto state : {TaskState::Pending, TaskState::Received, TaskState::Started,
                           TaskState::Retry, TaskState::Rejected, TaskState::Custom}) {
    EXPECT_FALSE(is_final(state));
  }
}

struct Outcome {
  std::initializer_list<std::string_view> events;
  std::string_view state;
};

TEST(TaskMerge, ends_where_celerys_state_ends) {
  for (const Outcome& outcome : std::initializer_list<Outcome>{
           {{}, "PENDING"},
           {{"sent"}, "PENDING"},
           {{"received"}, "RECEIVED"},
           {{"started"}, "STARTED"},
           {{"succeeded"}, "SUCCESS"},
           {{"failed"}, "FAILURE"},
           {{"rejected"}, "REJECTED"},
           {{"revoked"}, "REVOKED"},
           {{"retried"}, "RETRY"},
           {{"progress"}, "PROGRESS"},
           {{"succeeded", "started", "received"}, "SUCCESS"},
           {{"failed", "succeeded"}, "SUCCESS"},
           {{"succeeded", "failed"}, "SUCCESS"},
           {{"succeeded", "revoked"}, "SUCCESS"},
           {{"revoked", "started"}, "REVOKED"},
           {{"revoked", "received"}, "REVOKED"},
           {{"revoked", "failed"}, "FAILURE"},
           {{"failed", "revoked"}, "FAILURE"},
           {{"started", "rejected"}, "REJECTED"},  // there it would run for ever
           {{"received", "rejected"}, "REJECTED"},
           {{"rejected", "started", "succeeded"}, "SUCCESS"},
           {{"rejected", "received"}, "RECEIVED"},
           {{"started", "progress"}, "PROGRESS"},
           {{"progress", "started"}, "PROGRESS"},
           {{"progress", "other-thing"}, "OTHER-THING"},
           {{"progress", "revoked"}, "PROGRESS"},
           {{"progress", "failed"}, "FAILURE"},
           {{"failed", "progress"}, "FAILURE"},
           {{"received", "started", "progress", "succeeded"}, "SUCCESS"},
           {{"retried", "received"}, "RECEIVED"},
           {{"retried", "sent"}, "PENDING"},
           {{"succeeded", "retried"}, "RETRY"},
           {{"failed", "retried"}, "RETRY"},
           {{"received", "started", "retried"}, "RETRY"},
           {{"received", "started", "received", "retried", "started", "succeeded"}, "SUCCESS"},
           {{"received", "sent"}, "RECEIVED"},
           {{"cancelled"}, "CANCELLED"}}) {
    std::string sequence;
    for (const auto& type : outcome.events) sequence += std::string{type} + ' ';
    EXPECT_EQ(after(outcome.events).state_text(), outcome.state) << sequence;
  }
}

TEST(TaskMerge, takes_the_name_of_a_custom_event_for_a_state_as_celery_does) {
  EXPECT_EQ(after({"success"}).state, TaskState::Success);
  EXPECT_FALSE(after({"success"}).succeeded);
  EXPECT_EQ(after({"succeeded", "retry"}).state, TaskState::Retry);
  EXPECT_EQ(after({"custom"}).state_text(), "CUSTOM");
}

TEST(TaskMerge, ends_in_success_with_name_and_arguments_in_whatever_order) {
  std::vector<std::string_view> types{"received", "sent", "started", "succeeded"};
  std::sort(types.begin(), types.end());
  int orders = 0;
  do {
    Task task;
    for (const std::string_view type : types) {
      apply(task, event(type, type == "sent" ? 1 : 2, type == "sent" ? "gen1@cap" : "w1@cap"));
    }
    EXPECT_EQ(task.state, TaskState::Success);
    EXPECT_EQ(task.name, "cap.add");
    EXPECT_EQ(task.args, "(1, 2)");
    EXPECT_EQ(task.kwargs, "{}");
    EXPECT_EQ(task.result, "3");
    EXPECT_EQ(task.client, "gen1@cap");
    EXPECT_EQ(task.worker, "w1@cap");
    EXPECT_TRUE(task.sent && task.received && task.started && task.succeeded);
    EXPECT_EQ(task.starts, 1);
    ++orders;
  } while (std::next_permutation(types.begin(), types.end()));
  EXPECT_EQ(orders, 24);
}

TEST(TaskMerge, changes_nothing_when_an_event_comes_again) {
  for (const char* const type : {"sent", "received", "started", "succeeded", "failed", "rejected",
                                 "revoked", "retried", "progress"}) {
    Task once;
    Task twice;
    const TaskEvent same = event(type, 5);
    EXPECT_EQ(apply(once, same).changed_state, std::string_view{type} != "sent") << type;
    apply(twice, same);
    EXPECT_FALSE(apply(twice, same).changed_state) << type;
    EXPECT_EQ(once, twice) << type;
  }
}

TEST(TaskMerge, sets_the_time_of_the_kind_even_when_the_state_stays) {
  const Task task = after({"succeeded", "failed", "started", "received", "revoked", "rejected"});
  EXPECT_EQ(task.state, TaskState::Success);
  EXPECT_EQ(task.succeeded, from_micros(1));
  EXPECT_EQ(task.failed, from_micros(2));
  EXPECT_EQ(task.started, from_micros(3));
  EXPECT_EQ(task.received, from_micros(4));
  EXPECT_EQ(task.revoked, from_micros(5));
  EXPECT_EQ(task.rejected, from_micros(6));
  EXPECT_FALSE(task.retried || task.sent);
}

TEST(TaskMerge, takes_the_timestamp_of_every_late_event_but_a_received_one) {
  EXPECT_EQ(after({"succeeded", "started"}).timestamp, from_micros(2));
  EXPECT_EQ(after({"succeeded", "started"}).clock, 2);
  EXPECT_EQ(after({"succeeded", "received"}).timestamp, from_micros(1));
  EXPECT_EQ(after({"succeeded", "received"}).clock, 1);
  EXPECT_EQ(after({"received", "started"}).timestamp, from_micros(2));
}

// The first attempt's worker could not tell for a while; the second's could.
TEST(TaskMerge, stays_ended_when_all_of_an_earlier_attempt_comes_after_the_end) {
  for (const char* const end : {"succeeded", "failed", "revoked"}) {
    Task task;
    for (const auto& [type, at] : {std::pair{"received", 5}, {"started", 6}, {end, 7}}) {
      apply(task, event(type, at, "w2@cap"));
    }
    const TaskState ended = task.state;
    for (const auto& [type, at] : {std::pair{"received", 1}, {"started", 2}, {"retried", 3}}) {
      EXPECT_FALSE(apply(task, event(type, at, "w1@cap")).changed_state) << end << ", " << type;
    }
    EXPECT_EQ(task.state, ended);
    EXPECT_EQ(task.retried, from_micros(3));
    EXPECT_EQ(task.starts, 2);
  }
}

TEST(TaskMerge, takes_only_the_request_from_a_late_received_event) {
  Task task = after({"started"});
  TaskEvent late = event("received", 9);
  late.parent_id = "p";
  late.root_id = "r";
  late.eta = "e";
  late.expires = "x";
  late.retries = 4;
  late.queue = "q";
  late.result = "forged";
  apply(task, late);
  EXPECT_EQ(task.state, TaskState::Started);
  EXPECT_EQ(task.parent_id, "p");
  EXPECT_EQ(task.root_id, "r");
  EXPECT_EQ(task.eta, "e");
  EXPECT_EQ(task.expires, "x");
  EXPECT_EQ(task.retries, 4);
  EXPECT_FALSE(task.queue || task.result);
}

TEST(TaskMerge, takes_every_field_from_any_other_late_event) {
  Task task = after({"succeeded"});
  TaskEvent late = event("sent", 9);
  late.queue = "q";
  late.exchange = "";
  late.routing_key = "k";
  apply(task, late);
  EXPECT_EQ(task.state, TaskState::Success);
  EXPECT_EQ(task.queue, "q");
  EXPECT_EQ(task.exchange, "");
  EXPECT_EQ(task.routing_key, "k");
}

TEST(TaskMerge, leaves_what_the_event_does_not_carry) {
  Task task = after({"received", "failed"});
  apply(task, event("retried", 9));
  EXPECT_EQ(task.name, "cap.add");
  EXPECT_EQ(task.exception, "E()");
  EXPECT_EQ(task.retries, 0);
}

TEST(TaskMerge, tells_workers_from_the_client) {
  Task task;
  apply(task, event("sent", 1, "gen1@cap"));
  EXPECT_EQ(task.client, "gen1@cap");
  EXPECT_FALSE(task.worker);
  apply(task, event("received", 2, "w1@cap"));
  apply(task, event("started", 3, "w2@cap"));
  apply(task, event("sent", 4, "gen2@cap"));
  EXPECT_EQ(task.worker, "w2@cap");
  EXPECT_EQ(task.client, "gen2@cap");
}

TEST(TaskMerge, says_what_the_state_was_and_whether_it_changed) {
  Task task;
  Merge merge = apply(task, event("received"));
  EXPECT_TRUE(merge.changed_state);
  EXPECT_EQ(merge.before, TaskState::Pending);
  merge = apply(task, event("succeeded"));
  EXPECT_TRUE(merge.changed_state);
  EXPECT_EQ(merge.before, TaskState::Received);
  merge = apply(task, event("started"));
  EXPECT_FALSE(merge.changed_state);
  EXPECT_EQ(merge.before, TaskState::Success);
  Task custom = after({"progress"});
  EXPECT_TRUE(apply(custom, event("phase-two")).changed_state);
  EXPECT_EQ(custom.state_text(), "PHASE-TWO");
}

TEST(TaskMerge, counts_each_start_once) {
  Task task;
  apply(task, event("started", 1, "w1@cap"));
  apply(task, event("started", 1, "w1@cap"));
  EXPECT_EQ(task.starts, 1);
  apply(task, event("received", 2, "w2@cap"));
  apply(task, event("started", 1, "w1@cap"));
  EXPECT_EQ(task.starts, 1) << "the last start came again, after an event of another worker";
  apply(task, event("started", 1, "w2@cap"));
  EXPECT_EQ(task.starts, 2);
  apply(task, event("started", 3, "w2@cap"));
  EXPECT_EQ(task.starts, 3);
}

TEST(TaskMerge, knows_the_last_start_by_its_time_alone_if_its_worker_was_not_kept) {
  Task task = after({"started"});
  task.started_by.clear();
  apply(task, event("started", 1));
  EXPECT_EQ(task.starts, 1);
}

TEST(TaskMerge, what_its_worker_refused_is_over_in_whatever_order_it_is_told) {
  Task task = after({"received", "started"});
  apply(task, event("rejected", 3));
  EXPECT_EQ(task.state, TaskState::Rejected);
  apply(task, event("started", 2));
  EXPECT_EQ(task.state, TaskState::Rejected) << "come late";
  apply(task, event("received", 4));
  EXPECT_EQ(task.state, TaskState::Received) << "put back, and taken again";
  apply(task, event("started", 5));
  apply(task, event("rejected", 4));
  EXPECT_EQ(task.state, TaskState::Started) << "the refusal of before the start";
}

TEST(TaskMerge, a_retry_makes_no_task_its_own_parent) {
  Task task;
  TaskEvent first = event("received", 1);
  first.parent_id = "p";
  apply(task, first);
  TaskEvent again = event("received", 2);
  again.parent_id = "u";
  apply(task, again);
  EXPECT_EQ(task.parent_id, "p");
}

TEST(TaskMerge, gives_a_new_task_the_id_of_its_event) {
  EXPECT_EQ(after({"sent"}).uuid, TaskId{"u"});
}

}  // namespace
}  // namespace umbel
