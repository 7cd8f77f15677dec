#include "mingle.hpp"

#include <algorithm>
#include <utility>

#include "pause.hpp"
#include "peers.hpp"
#include "revoked_exchange.hpp"

namespace umbel {

namespace json = boost::json;

namespace {
constexpr std::chrono::milliseconds kFirstWait{50}, kLongestWait{5000};
constexpr int kRefusals = 3;  // in a row: then it is no outage that comes to its end
}  // namespace

Mingle::Mingle(Broker& broker, std::string node, RevokedSet& revoked, LamportClock& clock, Log log)
    : broker_{broker},
      node_{std::move(node)},
      revoked_{revoked},
      clock_{clock},
      log_{std::move(log)},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

void Mingle::wait(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  done_changed_.wait(lock, stop, [this] { return done_; });
}

void Mingle::run(const std::stop_token& stop) {
  auto heard = ask(stop);
  // Without a broker there are no others, and no tasks either: both come with it. One that is there
  // and lets us have no remote control has tasks all the same.
  int refusals = 0;
  for (auto wait = kFirstWait;
       !heard && heard.error().code == Errc::Unavailable && refusals < kRefusals;
       wait = std::min(wait * 2, kLongestWait)) {
    if (!pause_for(stop, wait)) return;
    const bool there = broker_.ping().has_value();
    heard = ask(stop);
    refusals = there ? refusals + 1 : 0;
  }
  if (!heard) {
    log_.warn("other workers were not asked for what is revoked", {{"reason", heard.error().what}});
  } else if (*heard > 0) {
    log_.info("synchronised with other workers", {{"workers", *heard}});
  }
  const std::lock_guard lock{mutex_};
  done_ = true;
  done_changed_.notify_all();
}

Result<std::size_t> Mingle::ask(const std::stop_token& stop) {
  std::size_t heard = 0;
  const PeerQuestion question{
      node_, "hello", {{"from_node", node_}, {"revoked", revoked_document(revoked_)}}, kPatience};
  const auto asked = ask_peers(broker_, question, stop, [&](const auto& node, const auto& answer) {
    ++heard;
    take_in(node, answer);
  });
  if (!asked) return asked.error();
  return Result<std::size_t>{heard};
}

void Mingle::take_in(const std::string& node, const json::object& told) {
  if (const auto* const clock = told.if_contains("clock"); clock && clock->is_int64()) {
    (void)clock_.adjust(clock->get_int64());
  } else {
    (void)clock_.forward();
  }
  const auto* const revoked = told.if_contains("revoked");
  if (revoked == nullptr) return;
  if (const auto merged = merge_revoked(revoked_, *revoked); !merged) {
    log_.warn("what a worker calls revoked cannot be read",
              {{"worker", node}, {"reason", merged.error().what}});
  }
}

}  // namespace umbel
