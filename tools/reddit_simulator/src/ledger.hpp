// What the simulator told its clients: which submissions it listed, and which it served how often.
// A test compares it with a store.
//
// With a file, every request is one appended line that is written before the answer goes out, so
// that a killed simulator has forgotten nothing that a client may have seen. A line cut off by a
// kill is passed over.
//
// Both are bounded. Of submissions the newest `keep` are known, and those before them only counted.
// Once the file has doubled since it was last written anew, and has least_rewritten bytes, it is
// written anew with what is known, beside the old one, and put in its place in one step.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"

namespace umbel::reddit_simulator {

struct LedgerRequest {
  enum class Kind { Token, Listing, Submission, Refused };
  Kind kind = Kind::Refused;
  std::vector<std::pair<std::string, std::string>> listed;  // fullname, subreddit
  std::string served;                                       // fullname; empty: none
  std::string gone;      // fullname of what was refused for good, `fault` says why; empty: none
  std::string fault;     // the kind of fault answered with; empty: none
  bool limited = false;  // refused because the budget was used up
};

struct LedgerOptions {
  std::string path;                                // empty: in memory alone
  std::size_t keep = 200'000;                      // submissions
  std::size_t least_rewritten = 16 * 1024 * 1024;  // bytes of the file
};

// Not thread-safe.
class Ledger {
 public:
  // Notes a start at `now`. Invalid: the file cannot be opened, read or written.
  [[nodiscard]] static Result<std::unique_ptr<Ledger>> open(LedgerOptions options, WallTime now);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // An error: the line could not be written; the request must not be answered as if it had been.
  [[nodiscard]] Result<void> record(const LedgerRequest& request, WallTime now);
  [[nodiscard]] WallTime first_start() const { return first_start_; }
  [[nodiscard]] std::uint64_t requests() const { return counts_.at("requests"); }
  [[nodiscard]] std::string json() const;

 private:
  struct Entry {
    std::string fullname, subreddit;  // subreddit empty: served, and never listed
    WallTime first_listed{};
    std::uint64_t served = 0;
    std::string gone;  // why it was refused for good; empty: it was not
  };
  explicit Ledger(LedgerOptions options) : options_{std::move(options)} {}
  Result<void> read();
  Result<void> open_file();
  void apply(const boost::json::object& line);
  void apply_summary(const boost::json::object& line);
  Entry& entry(const std::string& fullname);
  void forget_the_oldest();
  Result<void> append(const std::string& lines);
  void rewrite_if_grown();
  [[nodiscard]] std::string known() const;  // as lines

  LedgerOptions options_;
  int file_ = -1;
  bool torn_ = false;
  std::size_t file_bytes_ = 0, rewritten_bytes_ = 0;
  WallTime first_start_{};
  std::map<std::string, std::uint64_t> counts_{
      {"requests", 0}, {"tokens_issued", 0}, {"listings", 0}, {"refused", 0},
      {"limited", 0},  {"starts", 0},        {"forgotten", 0}};
  std::map<std::string, std::uint64_t> faults_;  // by kind
  std::map<std::uint64_t, Entry> entries_;       // by the number behind the id, hence by age
};

}  // namespace umbel::reddit_simulator
