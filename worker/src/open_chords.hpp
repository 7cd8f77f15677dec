// Chords that are watched over our store, by what this worker knows of them: so that their body
// need not wait for the next look.
//
// A celery.chord_unlock task looks from time to time whether all parts of a header have ended, for
// they may end anywhere. This worker knows of those that end here. When the last open one does, the
// look is due at once. Only a hint: what is not known here is found by looking, a little later.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "umbel/base/ids.hpp"
#include "umbel/celery/task_message.hpp"

namespace umbel {

// One look at a chord, as a message that is yet to get its id.
struct ChordLook {
  std::string group;
  celery::TaskMessage unlock;
  QueueName queue;
};

// The parts that such a message names. Invalid: it is malformed.
[[nodiscard]] Result<std::vector<TaskId>> parts_of(const celery::TaskMessage& unlock);

// Thread-safe.
class OpenChords {
 public:
  static constexpr std::size_t kMostChords = 1000, kMostParts = 10'000;  // of one chord

  // `open`: the parts that have not ended. A chord that is known already keeps what it knows. Of
  // too many the oldest is forgotten; one with too many parts is not watched.
  void watch(ChordLook look, const std::vector<TaskId>& open);
  // A part has its result. Answers the look that is due: it was the last one open.
  [[nodiscard]] std::optional<ChordLook> ended(const std::string& group, const TaskId& part);

 private:
  struct Chord {
    ChordLook look;
    std::set<TaskId> open;
  };
  std::mutex mutex_;
  std::map<std::string, Chord> chords_;  // by group
  std::deque<std::string> oldest_;       // groups; some of them are gone
};

}  // namespace umbel
