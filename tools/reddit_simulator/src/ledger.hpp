// What the simulator told its clients: which submissions it listed, and which it served how often.
// A test compares it with a store.
//
// With a file, every request is one appended line that is written before the answer goes out, so
// that a killed simulator has forgotten nothing that a client may have seen. A line cut off by a
// kill is passed over.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"

namespace umbel::reddit_simulator {

struct LedgerRequest {
  enum class Kind { Token, Listing, Submission, Refused };
  Kind kind = Kind::Refused;
  std::vector<std::pair<std::string, std::string>> listed;  // fullname, subreddit
  std::string served;                                       // fullname; empty: none
};

// Not thread-safe.
class Ledger {
 public:
  // `path` empty: in memory alone. Notes a start at `now`. Invalid: the file cannot be opened, read
  // or written.
  [[nodiscard]] static Result<std::unique_ptr<Ledger>> open(const std::string& path, WallTime now);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // An error: the line could not be written; the request must not be answered as if it had been.
  [[nodiscard]] Result<void> record(const LedgerRequest& request, WallTime now);
  [[nodiscard]] WallTime first_start() const { return first_start_; }
  [[nodiscard]] std::string json() const;

 private:
  struct Listed {
    std::string subreddit;
    WallTime first{};
  };
  Ledger() = default;
  Result<void> read(const std::string& path);
  Result<void> append(std::string line);

  int file_ = -1;
  WallTime first_start_{};
  std::uint64_t starts_ = 0, requests_ = 0, tokens_ = 0, listings_ = 0, refused_ = 0;
  std::map<std::string, Listed> listed_;
  std::map<std::string, std::uint64_t> served_;
};

}  // namespace umbel::reddit_simulator
