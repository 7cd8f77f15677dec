// One `umbel up` for each folder of data: two over the same one would start every program twice.
//
// The lock belongs to the process and is gone with it, however it ends; its programs do not inherit
// it.
#pragma once

#include <filesystem>

#include "umbel/base/result.hpp"

namespace umbel {

class VarLock {
 public:
  // Makes the folder if it is missing. Conflict: somebody has it, named in the text. Unavailable:
  // the folder cannot be made or written.
  [[nodiscard]] static Result<VarLock> take(const std::filesystem::path& var);
  ~VarLock();
  VarLock(VarLock&& other) noexcept;
  VarLock& operator=(VarLock&& other) noexcept;

 private:
  explicit VarLock(int descriptor) : descriptor_{descriptor} {}
  int descriptor_ = -1;
};

}  // namespace umbel
