// The open connections and how long each may take for what it is doing.
//
// CivetWeb keeps a thread for each connection, and gives a peer time anew with every byte that
// moves: whoever sends or reads a byte a second would hold a thread for ever. Here every phase has
// a deadline that no progress moves, and one thread that ends what is over it. While the server is
// full, a connection that has not managed to send a request is ended earlier, for the sake of those
// who would.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>

#include "umbel/base/clock.hpp"

namespace umbel::http {

using Peer = std::pair<std::string, std::uint16_t>;  // address and port of the other end

class Connection {
 public:
  explicit Connection(bool beyond_bound) : too_many{beyond_bound} {}

  // What it does now must be over by then. From the connection's own thread.
  void limit(std::chrono::milliseconds from_now) {
    deadline_ = (Steady::now() + from_now).time_since_epoch().count();
  }
  void no_limit() { deadline_ = kNever; }

  const bool too_many;  // it is told so and closed
  // By the connection's own thread alone:
  Steady::time_point head_since = Steady::now();
  bool told = false;  // its request was refused before any handler

 private:
  friend class Connections;
  static constexpr Steady::rep kNever = std::numeric_limits<Steady::rep>::max();
  std::atomic<Steady::rep> deadline_{kNever};
  Peer peer_;  // with the mutex of Connections; no address: it has not sent a request yet
  bool cut_ = false;
};

// Thread-safe. A connection is the caller's key, any pointer.
class Connections {
 public:
  // `on_cut` is called for each connection that was ended because its time was over;
  // `without_request` is how long one may be open without any while the server is full.
  Connections(std::size_t most, std::chrono::milliseconds without_request,
              std::function<void()> on_cut);
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  void listens_on(std::uint16_t local_port) { port_ = local_port; }
  // Valid until forget(key).
  [[nodiscard]] Connection& add(const void* key);
  // At its requests: only then CivetWeb tells who it is.
  void is_from(Connection& connection, const Peer& peer);
  // Before its socket is closed: a descriptor that somebody else was given meanwhile must not be
  // shut down.
  void forget(const void* key);
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  void run(const std::stop_token& stop);
  void end_those_over();
  // With the mutex held; answers how many.
  [[nodiscard]] std::size_t end_the_slow(Steady::time_point now);
  [[nodiscard]] std::size_t end_the_wordless(Steady::time_point now);

  const std::size_t most_;
  const std::chrono::milliseconds without_request_;
  const std::function<void()> on_cut_;
  std::atomic<std::uint16_t> port_{0};
  std::atomic<std::size_t> count_{0};
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::unordered_map<const void*, std::unique_ptr<Connection>> open_;
  std::map<Peer, Steady::time_point> wordless_;  // when they were first seen, while full
  std::jthread thread_;
};

}  // namespace umbel::http
