#include "connections.hpp"

#include <set>

#include "sockets.hpp"

namespace umbel::http {
namespace {

constexpr std::chrono::milliseconds kLook{100};

}  // namespace

Connections::Connections(std::size_t most, std::chrono::milliseconds without_request,
                         std::function<void()> on_cut)
    : most_{most},
      without_request_{without_request},
      on_cut_{std::move(on_cut)},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

Connections::~Connections() = default;

Connection& Connections::add(const void* key) {
  const std::lock_guard lock{mutex_};
  auto& entry = open_[key];
  entry = std::make_unique<Connection>(open_.size() > most_);
  count_ = open_.size();
  return *entry;
}

void Connections::is_from(Connection& connection, const Peer& peer) {
  const std::lock_guard lock{mutex_};
  if (connection.peer_.first.empty()) connection.peer_ = peer;
}

void Connections::forget(const void* key) {
  const std::lock_guard lock{mutex_};
  open_.erase(key);
  count_ = open_.size();
}

void Connections::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    end_those_over();
    std::unique_lock lock{mutex_};
    wake_.wait_for(lock, stop, kLook, [] { return false; });
  }
}

void Connections::end_those_over() {
  std::size_t ended = 0;
  {
    const std::lock_guard lock{mutex_};
    const auto now = Steady::now();
    ended = end_the_slow(now) + end_the_wordless(now);
  }
  for (; ended > 0; --ended) on_cut_();
}

std::size_t Connections::end_the_slow(Steady::time_point now) {
  std::set<Peer> over;
  for (auto& [key, each] : open_) {
    if (each->cut_ || each->peer_.first.empty()) continue;
    if (now.time_since_epoch().count() < each->deadline_) continue;
    each->cut_ = true;
    over.insert(each->peer_);
  }
  if (!over.empty()) shut_down_those(port_, over);
  return over.size();
}

std::size_t Connections::end_the_wordless(Steady::time_point now) {
  if (open_.size() <= most_) {
    wordless_.clear();
    return 0;
  }
  std::set<Peer> known;
  for (const auto& [key, each] : open_) known.insert(each->peer_);
  std::map<Peer, Steady::time_point> still;
  std::set<Peer> over;
  for (const Peer& peer : peers_on(port_)) {
    if (known.contains(peer)) continue;
    const auto before = wordless_.find(peer);
    const auto since = before == wordless_.end() ? now : before->second;
    if (now - since >= without_request_) {
      over.insert(peer);
    } else {
      still.emplace(peer, since);
    }
  }
  wordless_ = std::move(still);
  if (!over.empty()) shut_down_those(port_, over);
  return over.size();
}

}  // namespace umbel::http
