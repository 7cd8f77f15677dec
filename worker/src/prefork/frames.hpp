// What a worker and its task processes say to each other.
//
// A frame is four bytes of length, little-endian, then that many bytes: what it is, and its parts.
// The worker sends Run and SpawnAnswer; the process sends all the others. One run at a time. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "../ending.hpp"
#include "umbel/base/result.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/metrics/change.hpp"

namespace umbel::prefork {

// The process is ready. `tasks` tells its task set, which must be the worker's.
struct Hello {
  std::string tasks;
};
// It cannot be, and why.
struct Unable {
  std::string reason;
};
struct Run {
  std::uint64_t job = 0;  // its number in the worker
  std::string name, id;
  std::int64_t retries = 0;
  std::string args, kwargs;  // Python's JSON
  bool ignore_result = false;
};
struct SpawnRequest {
  std::vector<TaskRequest> requests;
  Together together;
};
struct SpawnAnswer {
  std::vector<AcceptedHandle> handles;
  std::optional<Error> error;
};
struct Moved {
  std::vector<metrics::SeriesChange> changes;
};
struct Done {
  std::uint64_t job = 0;
  Ending ending;
};
struct Thrown {
  std::uint64_t job = 0;
  Raised raised;
};

using Frame = std::variant<Hello, Unable, Run, SpawnRequest, SpawnAnswer, Moved, Done, Thrown>;

// The most bytes behind a length. A task's arguments have at most 16 MB and become at most three
// times as long when they are written in ASCII.
inline constexpr std::size_t kMostFrame = 64 * 1024 * 1024;
inline constexpr std::size_t kFrameHead = 4;

// Head included. Invalid: larger than kMostFrame.
[[nodiscard]] Result<std::string> encode(const Frame& frame);
// Without the head. Invalid: no frame, or bytes left over.
[[nodiscard]] Result<Frame> decode(std::string_view payload);

// Frames out of a stream of bytes.
class FrameReader {
 public:
  void feed(std::string_view bytes);
  // The next whole frame; nothing: more bytes are needed. After an Error the stream is of no use.
  [[nodiscard]] Result<std::optional<Frame>> next();

 private:
  std::string bytes_;
  std::size_t read_ = 0;  // of them
};

}  // namespace umbel::prefork
