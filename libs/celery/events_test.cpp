#include "umbel/celery/events.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "event_fields.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/task_message.hpp"

namespace umbel::celery {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Decoded {
  std::vector<Event> events;
  std::size_t skipped = 0;

  [[nodiscard]] const TaskEvent& task(std::size_t i = 0) const {
    return std::get<TaskEvent>(events.at(i));
  }
  [[nodiscard]] const WorkerEvent& worker(std::size_t i = 0) const {
    return std::get<WorkerEvent>(events.at(i));
  }
};

Decoded decode(std::string_view body) {
  Decoded decoded;
  const auto skipped = decode_events(body, decoded.events);
  EXPECT_TRUE(skipped.has_value()) << skipped.error().what;
  decoded.skipped = skipped.has_value() ? *skipped : 0;
  return decoded;
}

// A task event of this type with the fields that every event has, and `more`.
std::string task_body(const std::string& type, const std::string& more = "") {
  return R"({"type": ")" + type +
         R"(", "uuid": "u", "hostname": "w1@cap", "timestamp": 1795350738.5, "pid": 7, "clock": 3)" +
         (more.empty() ? "" : ", " + more) + "}";
}

std::string worker_body(const std::string& more) {
  return R"({"type": "worker-heartbeat", "hostname": "w1@cap", "timestamp": 1795350738.5, )" +
         more + "}";
}

TEST(Events, reads_the_captured_batch) {
  const Decoded decoded = decode(
      R"j([{"hostname": "w1@cap", "utcoffset": 0, "pid": 18595, "clock": 78, "uuid": "6f53f8a2-5587-47a7-808f-92c5b03d4c9d", "name": "cap.ignore",
  "args": "()", "kwargs": "{}", "root_id": "6f53f8a2-5587-47a7-808f-92c5b03d4c9d", "parent_id": null, "retries": 0, "eta": null,
  "expires": null, "timestamp": 1795350738.1396167, "type": "task-received"},
 {"hostname": "w1@cap", "utcoffset": 0, "pid": 18595, "clock": 79, "uuid": "b896c09f-8554-4a4d-bbfc-cc983971f9f8",
  "timestamp": 1795350738.1397543, "type": "task-started"}])j");
  ASSERT_EQ(decoded.events.size(), 2U);
  EXPECT_EQ(decoded.skipped, 0U);
  const TaskEvent& received = decoded.task(0);
  EXPECT_EQ(received.type, TaskEventType::Received);
  EXPECT_EQ(received.origin.hostname, "w1@cap");
  EXPECT_EQ(received.origin.timestamp, from_micros(1'795'350'738'139'617));
  EXPECT_EQ(received.origin.pid, 18595);
  EXPECT_EQ(received.origin.clock, 78);
  EXPECT_FALSE(received.origin.sequence);
  EXPECT_EQ(received.uuid, TaskId{"6f53f8a2-5587-47a7-808f-92c5b03d4c9d"});
  EXPECT_EQ(received.name, "cap.ignore");
  EXPECT_EQ(received.args, "()");
  EXPECT_EQ(received.kwargs, "{}");
  EXPECT_EQ(received.root_id, "6f53f8a2-5587-47a7-808f-92c5b03d4c9d");
  EXPECT_FALSE(received.parent_id || received.eta || received.expires || received.result);
  EXPECT_EQ(received.retries, 0);
  EXPECT_EQ(decoded.task(1).type, TaskEventType::Started);
  EXPECT_FALSE(decoded.task(1).name);
}

TEST(Events, reads_the_captured_heartbeat) {
  const Decoded decoded = decode(
      R"({"hostname": "w1@cap", "utcoffset": 0, "pid": 18595, "clock": 98, "freq": 2.0, "active": 2, "processed": 8, "loadavg": [3.71, 1.67, 0.74],
 "sw_ident": "py-celery", "sw_ver": "5.2.6", "sw_sys": "Linux", "timestamp": 1795350740.1139648, "type": "worker-heartbeat"})");
  ASSERT_EQ(decoded.events.size(), 1U);
  const WorkerEvent& beat = decoded.worker();
  EXPECT_EQ(beat.type, WorkerEventType::Heartbeat);
  EXPECT_EQ(beat.freq, 2.0);
  EXPECT_EQ(beat.active, 2);
  EXPECT_EQ(beat.processed, 8);
  EXPECT_EQ(beat.loadavg, (std::array{3.71, 1.67, 0.74}));
  EXPECT_EQ(beat.sw_ident, "py-celery");
  EXPECT_EQ(beat.sw_ver, "5.2.6");
  EXPECT_EQ(beat.sw_sys, "Linux");
  EXPECT_FALSE(beat.metrics_address || beat.slots || beat.queues);
}

TEST(Events, reads_the_captured_task_sent) {
  const Decoded decoded = decode(
      R"j({"type": "task-sent", "uuid": "n-ok", "root_id": "n-ok", "parent_id": null, "name": "cap.add", "args": "(1, 2)", "kwargs": "{}", "retries": 0,
 "eta": null, "expires": null, "queue": "celery", "exchange": "", "routing_key": "celery", "hostname": "gen26357@vm", "pid": 26357, "clock": 1, "timestamp": 1.5})j");
  const TaskEvent& sent = decoded.task();
  EXPECT_EQ(sent.type, TaskEventType::Sent);
  EXPECT_EQ(sent.origin.hostname, "gen26357@vm");
  EXPECT_EQ(sent.queue, "celery");
  EXPECT_EQ(sent.exchange, "");
  EXPECT_EQ(sent.routing_key, "celery");
}

TEST(Events, reads_what_the_captured_ends_say) {
  const Decoded ends = decode(
      "[" + task_body("task-succeeded", R"("result": "'ok'", "runtime": 0.513916571999971)") + "," +
      task_body(
          "task-failed",
          R"j("exception": "ValueError('m', 42)", "traceback": "Traceback:\n  File \"x\"")j") +
      "," + task_body("task-failed", R"j("exception": "NotRegistered('cap.nosuch')")j") + "," +
      task_body("task-rejected", R"("requeue": false)") + "," +
      task_body("task-revoked", R"("terminated": true, "signum": 9, "expired": false)") + "," +
      task_body("task-revoked", R"("terminated": false, "signum": null, "expired": true)") + "," +
      task_body("task-retried", R"j("exception": "KeyError('x')", "traceback": "t\n")j") + "," +
      task_body("task-received", R"("retries": 1, "eta": "2026-11-22T12:41:17.662916+00:00")") +
      "]");
  ASSERT_EQ(ends.events.size(), 8U);
  EXPECT_EQ(ends.task(0).result, "'ok'");
  EXPECT_EQ(ends.task(0).runtime, 0.513916571999971);
  EXPECT_EQ(ends.task(1).exception, "ValueError('m', 42)");
  EXPECT_EQ(ends.task(1).traceback, "Traceback:\n  File \"x\"");
  EXPECT_FALSE(ends.task(2).traceback);
  EXPECT_EQ(ends.task(3).requeue, false);
  EXPECT_EQ(ends.task(4).terminated, true);
  EXPECT_EQ(ends.task(4).signum, "9");
  EXPECT_EQ(ends.task(4).expired, false);
  EXPECT_FALSE(ends.task(5).signum);
  EXPECT_EQ(ends.task(5).expired, true);
  EXPECT_EQ(ends.task(6).type, TaskEventType::Retried);
  EXPECT_EQ(ends.task(7).eta, "2026-11-22T12:41:17.662916+00:00");
}

TEST(Events, calls_an_unknown_task_event_by_its_own_name) {
  const Decoded decoded = decode(task_body("task-progress", R"("percent": 50, "note": "half")"));
  EXPECT_EQ(decoded.task().type, TaskEventType::Custom);
  EXPECT_EQ(decoded.task().custom_type, "progress");
}

TEST(Events, takes_an_unknown_worker_event_as_other) {
  const Decoded decoded = decode(
      R"({"type": "worker-elect", "hostname": "w", "timestamp": 1, "id": "x", "topic": "t", "action": {"a": [1]}, "cver": 1})");
  EXPECT_EQ(decoded.worker().type, WorkerEventType::Other);
}

TEST(Events, reads_umbels_own_fields) {
  const Decoded decoded = decode(worker_body(
      R"("umbel_seq": 41, "umbel_metrics": "h:9101", "umbel_slots": 4, "umbel_queues": "a,b", "umbel_stuck": 1)"));
  EXPECT_EQ(decoded.worker().origin.sequence, 41U);
  EXPECT_EQ(decoded.worker().metrics_address, "h:9101");
  EXPECT_EQ(decoded.worker().slots, 4);
  EXPECT_EQ(decoded.worker().queues, "a,b");
  EXPECT_EQ(decoded.worker().stuck, 1);
  EXPECT_FALSE(decode(worker_body(R"("umbel_seq": -1)")).worker().origin.sequence);
}

TEST(Events, ignores_the_senders_utcoffset) {
  EXPECT_EQ(decode(task_body("task-started", R"("utcoffset": -6)")).task().origin.timestamp,
            from_micros(1'795'350'738'500'000));
}

TEST(Events, takes_a_field_of_the_wrong_type_as_absent) {
  const TaskEvent task =
      decode(task_body("task-received", R"("name": 5, "args": [1], "kwargs": {"a": {"name": "x"}},
      "retries": "1", "eta": 7, "runtime": "fast", "terminated": 1, "signum": {}, "queue": true,
      "pid": "x", "clock": 1.5, "result": null, "umbel_seq": "one")"))
          .task();
  EXPECT_FALSE(task.name || task.args || task.kwargs || task.retries || task.eta || task.runtime);
  EXPECT_FALSE(task.terminated || task.signum || task.queue || task.result);
  EXPECT_EQ(task.origin.pid, 0);
  EXPECT_FALSE(task.origin.clock || task.origin.sequence);
  const WorkerEvent worker =
      decode(worker_body(R"("freq": "2", "active": 1.5, "processed": [], "sw_ver": 5)")).worker();
  EXPECT_FALSE(worker.freq || worker.active || worker.processed || worker.sw_ver);
}

TEST(Events, reads_a_load_of_three_numbers_only) {
  EXPECT_EQ(decode(worker_body(R"("loadavg": [1, 0.5, 0])")).worker().loadavg,
            (std::array{1.0, 0.5, 0.0}));
  for (const char* const load :
       {"[]", "[1, 2]", "[1, 2, 3, 4]", "[1, \"2\", 3]", "[1, null, 3]", "[1, [2], 3]",
        "[[1, 2, 3]]", "[1, 2, {\"a\": 3}]", "{\"a\": [1, 2, 3]}", "1", "2.5", "null", "\"x\"",
        "[NaN, 1, 2]", "[true, 1, 2]", "[1, 2, 3, 18446744073709551615]"}) {
    const Decoded decoded =
        decode(worker_body(R"("loadavg": )" + std::string{load} + R"(, "active": 3)"));
    EXPECT_FALSE(decoded.worker().loadavg) << load;
    EXPECT_EQ(decoded.worker().active, 3) << load;
  }
}

TEST(Events, takes_the_name_or_the_number_of_a_signal) {
  EXPECT_EQ(decode(task_body("task-revoked", R"("signum": "SIGTERM")")).task().signum, "SIGTERM");
  EXPECT_EQ(decode(task_body("task-revoked", R"("signum": 15)")).task().signum, "15");
}

TEST(Events, lets_the_last_field_of_a_name_count) {
  EXPECT_EQ(decode(task_body("task-sent", R"("name": "a", "name": "b\n")")).task().name, "b\n");
  EXPECT_FALSE(decode(task_body("task-sent", R"("name": "a", "name": 5)")).task().name);
  EXPECT_FALSE(decode(worker_body(R"("loadavg": [1, 2, 3], "loadavg": 1)")).worker().loadavg);
}

TEST(Events, reads_names_and_texts_with_escapes) {
  const TaskEvent task =
      decode(task_body("task-received",
                       R"j("\u006eame": "\u00e9\"\\\ud83c\udf3c", "args": "('a',)")j"))
          .task();
  EXPECT_EQ(task.name, "é\"\\\U0001F33C");
  EXPECT_EQ(task.args, "('a',)");
}

TEST(Events, keeps_long_texts_with_escapes_apart) {
  const std::string line = R"(a line of a traceback\n)";
  std::string text;
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    text += line;
    expected += "a line of a traceback\n";
  }
  const TaskEvent task = decode(task_body("task-failed", R"("exception": "x\ty", "traceback": ")" +
                                                             text + R"(", "name": "n\n")"))
                             .task();
  EXPECT_EQ(task.exception, "x\ty");
  EXPECT_EQ(task.traceback, expected);
  EXPECT_EQ(task.name, "n\n");
}

TEST(Events, reads_numbers_that_json_does_not_have_as_absent) {
  const Decoded decoded =
      decode("[" + task_body("task-succeeded", R"("runtime": NaN, "result": "NaN")") + "," +
             task_body("task-succeeded", R"("runtime": Infinity)") + "," +
             task_body("task-succeeded", R"("runtime": 0.0)") + "]");
  ASSERT_EQ(decoded.events.size(), 3U);
  EXPECT_FALSE(decoded.task(0).runtime);
  EXPECT_EQ(decoded.task(0).result, "NaN");
  EXPECT_FALSE(decoded.task(1).runtime);
  EXPECT_EQ(decoded.task(2).runtime, 0.0);
}

TEST(Events, show_half_a_surrogate_pair_as_a_replacement) {
  EXPECT_EQ(decode(task_body("task-sent", R"("name": "a\ud800b")")).task().name, "a\uFFFDb");
}

TEST(Events, skip_and_count_what_is_no_event) {
  const Decoded decoded = decode(
      R"([1, "x", null, true, 1.5, 18446744073709551615, [1, [2]], {}, {"type": 5}, {"type": "task-sent"},
      {"type": "task-sent", "uuid": "", "hostname": "h", "timestamp": 1},
      {"type": "task-sent", "uuid": "u", "hostname": "h"},
      {"type": "task-sent", "uuid": "u", "hostname": "h", "timestamp": "1"},
      {"type": "task-sent", "uuid": "u", "hostname": "", "timestamp": 1},
      {"type": "task-sent", "uuid": 5, "hostname": "h", "timestamp": 1},
      {"type": "task-", "uuid": "u", "hostname": "h", "timestamp": 1},
      {"type": "worker-", "hostname": "h", "timestamp": 1},
      {"type": "worker-online", "timestamp": 1},
      {"type": "group-made", "uuid": "u", "hostname": "h", "timestamp": 1},
      {"type": "task-sent", "uuid": "u", "hostname": "h", "timestamp": 1}])");
  EXPECT_EQ(decoded.events.size(), 1U);
  EXPECT_EQ(decoded.skipped, 19U);
}

TEST(Events, do_not_take_fields_of_a_nested_object_for_their_own) {
  const Decoded decoded = decode(
      R"({"x": {"type": "task-sent", "uuid": "u", "hostname": "h", "timestamp": 1}, "y": [{"type": "task-sent"}]})");
  EXPECT_TRUE(decoded.events.empty());
  EXPECT_EQ(decoded.skipped, 1U);
}

TEST(Events, do_not_leak_fields_from_one_event_into_the_next) {
  const Decoded decoded =
      decode("[" + task_body("task-failed", R"j("exception": "E()", "traceback": "a\nb")j") + "," +
             task_body("task-started") + "]");
  EXPECT_FALSE(decoded.task(1).exception || decoded.task(1).traceback);
}

TEST(Events, append_to_what_is_there_and_nothing_from_a_bad_body) {
  std::vector<Event> events;
  ASSERT_TRUE(decode_events(task_body("task-started"), events));
  for (const std::string& bad :
       {"[" + task_body("task-started") + ", oops]", "[" + task_body("task-started"),
        task_body("task-started") + "x", std::string{}, std::string{"5"}, std::string{"\"x\""},
        std::string{"NaN"}, std::string{"[\"\xff\"]"}, std::string(200, '[')}) {
    const auto skipped = decode_events(bad, events);
    ASSERT_TRUE(skipped.has_error()) << bad;
    EXPECT_EQ(skipped.error().code, Errc::Invalid);
    EXPECT_THAT(skipped.error().what, HasSubstr("the body of the events"));
    EXPECT_EQ(events.size(), 1U) << bad;
  }
  EXPECT_TRUE(decode_events("[]", events));
  ASSERT_TRUE(decode_events(task_body("task-started"), events));
  EXPECT_EQ(events.size(), 2U);
}

TEST(Events, refuse_a_body_that_is_too_large) {
  std::vector<Event> events;
  EXPECT_TRUE(decode_events(std::string(kMaxBody + 1, ' '), events).has_error());
}

TEST(Events, write_what_a_python_receiver_needs) {
  TaskEvent received;
  received.type = TaskEventType::Received;
  received.uuid = TaskId{"u"};
  received.origin = {"w1@cap", from_micros(1'795'350'738'000'042), 7, 3, 11};
  received.name = "demo.add";
  received.args = "(1, 2)";
  received.kwargs = "{}";
  EXPECT_EQ(
      encode_events(std::vector<Event>{received}),
      R"([{"type": "task-received", "uuid": "u", "hostname": "w1@cap", "timestamp": 1795350738.000042, "pid": 7, )"
      R"j("clock": 3, "umbel_seq": 11, "name": "demo.add", "args": "(1, 2)", "kwargs": "{}", "parent_id": null, )j"
      R"("retries": 0, "eta": null, "expires": null}])");
  EXPECT_EQ(encode_events({}), "[]");
}

TEST(Events, write_a_heartbeat_with_celerys_fields_and_none_that_break_its_state) {
  WorkerEvent beat;
  beat.type = WorkerEventType::Heartbeat;
  beat.origin = {"w1@cap", from_micros(1'000'000), 7, 3, 11};
  beat.freq = 2;
  beat.active = 1;
  beat.processed = 8;
  beat.loadavg = {0.5, 1, 2};
  beat.sw_ident = "umbel";
  beat.metrics_address = "h:9101";
  beat.slots = 4;
  beat.queues = "a";
  beat.stuck = 1;
  const std::string body = encode_events(std::vector<Event>{beat});
  EXPECT_EQ(
      body,
      R"([{"type": "worker-heartbeat", "hostname": "w1@cap", "timestamp": 1.000000, "pid": 7, "clock": 3, )"
      R"("umbel_seq": 11, "freq": 2.0, "active": 1, "processed": 8, "loadavg": [0.5, 1.0, 2.0], "sw_ident": "umbel", )"
      R"("umbel_metrics": "h:9101", "umbel_slots": 4, "umbel_queues": "a", "umbel_stuck": 1}])");
  for (const char* const name :
       {"\"id\"", "\"alive\"", "\"status_string\"", "\"heartbeat_expires\"", "utcoffset"}) {
    EXPECT_THAT(body, Not(HasSubstr(name)));
  }
}

TEST(Events, write_a_revocation_with_all_its_fields) {
  TaskEvent revoked;
  revoked.type = TaskEventType::Revoked;
  revoked.uuid = TaskId{"u"};
  revoked.terminated = true;
  revoked.signum = "9";
  EXPECT_THAT(encode_events(std::vector<Event>{revoked}),
              HasSubstr(R"("terminated": true, "expired": false, "signum": 9)"));
  revoked.signum.reset();
  EXPECT_THAT(encode_events(std::vector<Event>{revoked}), HasSubstr(R"("signum": null)"));
  revoked.signum = "SIGTERM";
  EXPECT_THAT(encode_events(std::vector<Event>{revoked}), HasSubstr(R"("signum": "SIGTERM")"));
}

TEST(Events, write_valid_json_whatever_the_texts_hold) {
  TaskEvent failed;
  failed.type = TaskEventType::Failed;
  failed.uuid = TaskId{"u"};
  failed.exception = "E('\xff\"\\\n\x01')";
  failed.runtime = HUGE_VAL;
  const auto value = parse_json(encode_events(std::vector<Event>{failed}));
  ASSERT_TRUE(value.has_value()) << value.error().what;
  EXPECT_EQ(value->at(0).at("exception"), "E('\uFFFD\"\\\n\x01')");
  EXPECT_TRUE(value->at(0).at("runtime").is_null());
}

TEST(EventFields, are_found_by_their_names_alone) {
  for (std::size_t i = 0; i < kFields; ++i) {
    EXPECT_EQ(field_named(kFieldNames[i]), static_cast<Field>(i)) << kFieldNames[i];
    EXPECT_EQ(field_named(std::string{kFieldNames[i]} + "x"), Field::Unknown);
  }
  EXPECT_EQ(field_named(""), Field::Unknown);
  EXPECT_EQ(field_named("utcoffset"), Field::Unknown);
}

}  // namespace
}  // namespace umbel::celery
