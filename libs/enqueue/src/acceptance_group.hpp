// Concurrent acceptances share one transaction and one publish.
//
// A transaction costs the same for one task as for a hundred. So while one caller is in the store,
// those who come meanwhile gather; the next one of them takes all of them along. Nobody waits for
// company: a lone caller goes at once.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "umbel/base/result.hpp"
#include "umbel/store/outbox.hpp"

namespace umbel::enqueue {

struct Joined {
  Acceptance acceptance;
  Result<AcceptedRows> answer = unavailable("not accepted yet");
};

// Thread-safe.
class AcceptanceGroup {
 public:
  // Answers every one of them; called by one thread at a time.
  using AcceptAll = std::function<void(std::span<Joined* const>)>;

  AcceptanceGroup(std::size_t most_at_once, AcceptAll accept_all);

  // Returns when `mine` has its answer.
  void join(Joined& mine);

 private:
  enum class Turn : int { Waits, Leads, Done };
  // Each waits by itself: with one condition for all, every batch would wake everybody. An atomic
  // is waited for rather than a condition, whose mutex costs another call of the kernel each time.
  // Shared with who tells it, which may still do so when the one who waited has gone.
  struct Place {
    Joined* joined = nullptr;
    std::atomic<Turn> turn = Turn::Waits;

    [[nodiscard]] Turn await();
    void tell(Turn what);
  };
  // Takes along all who wait, and hands the lead to the first of those who came meanwhile.
  void lead(const Place& self);

  const std::size_t most_at_once_;
  const AcceptAll accept_all_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Place>> waiting_;
  bool led_ = false;  // somebody leads, or was told to
};

}  // namespace umbel::enqueue
