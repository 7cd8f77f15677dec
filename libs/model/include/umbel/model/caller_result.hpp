// What a task's caller learns of it: values that cross the port to where callers wait, and that the
// codec reads and writes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/model/task.hpp"

namespace umbel {

// A task, or a group of them, as a caller finds it again.
struct ResultTree {
  std::string id;
  bool group = false;
  std::vector<ResultTree> members{};  // of a group

  friend bool operator==(const ResultTree&, const ResultTree&) = default;
};

// One state of one task.
struct CallerResult {
  TaskId id;
  TaskState state = TaskState::Success;  // Started, Retry, Success, Failure, Revoked; Custom
  std::string custom_state{};            // of a Custom one: "PROGRESS"
  // JSON text: the value; of Failure, Retry and Revoked the exception document; of Started
  // {"pid", "hostname"}.
  std::string result = "null";
  std::string traceback{};             // empty: none
  std::vector<ResultTree> children{};  // what the task sent
  std::string group{}, parent{};       // empty: none
  std::optional<WallTime> done{};      // of a final state
  std::string reply_to{};              // the queue that came with the message; empty: none

  friend bool operator==(const CallerResult&, const CallerResult&) = default;
};

// What another program's task has left; what it did not say is empty.
struct FoundResult {
  CallerResult result{};
  std::string name{}, args{}, kwargs{}, worker{}, queue{};  // args and kwargs: JSON text
  std::optional<std::int64_t> retries{};
};

// A task of a chord's header that has ended.
struct ChordPart {
  std::string group{};
  std::optional<std::int64_t> index{};  // its place in the header; nothing: at the end
  TaskId id{};
  TaskState state = TaskState::Success;  // Success, Failure, Revoked
  std::string result = "null";           // as in CallerResult

  friend bool operator==(const ChordPart&, const ChordPart&) = default;
};

// What is to be done once a part of a chord has ended.
struct ChordReturn {
  enum class Is {
    Waiting,   // other parts have not ended, or somebody else sends the body
    Complete,  // send the body with `results`
    Failed,    // the body does not run: it fails with `reason`
  };
  Is is = Is::Waiting;
  std::string results{};  // Complete: JSON text of an array, in the order of the header
  std::string reason{};   // Failed: the words of a ChordError, `Dependency <id> raised …`

  friend bool operator==(const ChordReturn&, const ChordReturn&) = default;
};

}  // namespace umbel
