// A task process's end of the frames: waits until a whole one has come or gone.
#pragma once

#include <span>

#include "frames.hpp"

namespace umbel::prefork {

// Of one thread. Errors: Cancelled: the worker hung up; Invalid: it or we said what is no frame.
class Words {
 public:
  explicit Words(int descriptor) : descriptor_{descriptor} {}
  [[nodiscard]] Result<Frame> hear();
  // All in one write. Invalid: one is too large; nothing was said.
  [[nodiscard]] Result<void> say(std::span<const Frame> frames);
  [[nodiscard]] Result<void> say(const Frame& frame) { return say({&frame, 1}); }

 private:
  int descriptor_;
  FrameReader reader_;
};

}  // namespace umbel::prefork
