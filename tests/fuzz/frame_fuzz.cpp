// The frames between a worker and its task processes. Input: a byte that says how the stream is cut
// into pieces, then the stream; what follows its head is also read as a payload alone.
#include <algorithm>

#include "fuzz_one.hpp"
#include "prefork/frames.hpp"

namespace umbel::fuzz {
namespace {

using prefork::Frame;
using prefork::FrameReader;

// Every frame up to the end of the stream, or to where it is none.
struct Heard {
  std::string frames;  // written again
  bool broken = false;

  friend bool operator==(const Heard&, const Heard&) = default;
};

Heard hear(std::string_view stream, std::size_t piece) {
  FrameReader reader;
  Heard heard;
  while (!stream.empty() && !heard.broken) {
    const auto size = std::min(piece, stream.size());
    reader.feed(stream.substr(0, size));
    stream.remove_prefix(size);
    for (;;) {
      auto frame = reader.next();
      heard.broken = frame.has_error();
      if (heard.broken) require(frame.error().what.size() < 200, "a refusal is short");
      if (heard.broken || !*frame) break;
      heard.frames += prefork::encode(**frame).value();
    }
  }
  return heard;
}

}  // namespace

void fuzz_one(std::span<const std::uint8_t> input) {
  const std::string text = text_of(input);
  if (text.empty()) return;
  const auto piece = std::max<std::size_t>(static_cast<unsigned char>(text[0]), 1);
  const std::string_view stream = std::string_view{text}.substr(1);
  const auto whole = hear(stream, stream.size() + 1);
  require(hear(stream, piece) == whole, "the cuts do not matter");
  require(stream.starts_with(whole.frames), "what was read is written as it came");

  const auto payload = stream.substr(std::min(stream.size(), prefork::kFrameHead));
  if (const auto frame = prefork::decode(payload)) {
    require(prefork::encode(*frame).value().substr(prefork::kFrameHead) == payload,
            "a payload is written as it was read");
  }
}

}  // namespace umbel::fuzz
