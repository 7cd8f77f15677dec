// Keeps what was revoked, and the logical clock, over restarts of a worker (--statedb).
#pragma once

#include <string>

#include "lamport_clock.hpp"
#include "revoked_set.hpp"
#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

// One JSON file, replaced as a whole. Of one thread. References outlive it.
class RevokedFile {
 public:
  RevokedFile(std::string path, const Clock& clock, Log log)
      : path_{std::move(path)}, clock_{clock}, log_{std::move(log)} {}

  // Adds what the file holds; a file that is not there holds nothing.
  [[nodiscard]] Result<void> load(RevokedSet& revoked, LamportClock& lamport);
  // If anything was revoked since. Failures are logged, the first of several.
  void save_changes(RevokedSet& revoked, const LamportClock& lamport);

 private:
  [[nodiscard]] Result<void> save(RevokedSet& revoked, const LamportClock& lamport) const;

  const std::string path_;
  const Clock& clock_;
  Log log_;
  std::uint64_t saved_ = 0;  // revision of the set
  bool failing_ = false;
};

}  // namespace umbel
