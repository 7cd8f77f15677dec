// The live stream to pages: a snapshot when one connects, then what changes, at most ten times a
// second; a page that was away for a moment is given what it missed.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "delta.hpp"
#include "live.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/http/server.hpp"
#include "umbel/metrics/metrics.hpp"

namespace umbel::collector {

struct LiveStreamOptions {
  std::chrono::milliseconds every{100};
  std::chrono::milliseconds shared_snapshot{1000};  // how old one may be that a new page is given
  std::size_t kept_changes = 1200;                  // for pages that resume: two minutes and more
  std::size_t kept_bytes = 8 * 1024 * 1024;
};

// Thread-safe.
class LiveStream {
 public:
  LiveStream(Live& live, const Clock& clock, metrics::Metrics& metrics, LiveStreamOptions options);
  ~LiveStream();

  // Numbers go on behind `sequence`, which no page has seen yet.
  void start(std::uint64_t sequence, About about);
  void stop();

  [[nodiscard]] http::WebSocketRoute route(const std::string& path);
  [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
  [[nodiscard]] std::size_t pages() const;
  // Of all changes to all pages; snapshots are not counted.
  [[nodiscard]] std::uint64_t sent_bytes() const { return sent_bytes_; }
  // The snapshot as text, for who asks once.
  [[nodiscard]] std::string overview();

 private:
  struct Change {
    std::uint64_t sequence = 0;
    std::shared_ptr<const std::string> text;
  };

  void run(const std::stop_token& stop);
  void publish();
  void open(std::shared_ptr<http::WebSocket> page, const http::Request& request);
  void close(const std::shared_ptr<http::WebSocket>& page);
  // With the mutex held:
  void hand_out(boost::json::object change, WallTime now);
  void hand_to_all(const std::shared_ptr<const std::string>& text);
  void send_changes(http::WebSocket& page, std::uint64_t after) const;
  [[nodiscard]] bool resume(http::WebSocket& page, const http::Request& request);
  // The newest snapshot, made anew if it is older than `most`. It may be older than the newest
  // change.
  const Change& snapshot(std::chrono::milliseconds most);

  Live& live_;
  const Clock& clock_;
  metrics::Metrics& metrics_;
  const LiveStreamOptions options_;
  const std::string epoch_;
  std::atomic<std::uint64_t> sequence_{0}, sent_bytes_{0};

  mutable std::mutex mutex_;
  About about_;
  std::unique_ptr<Delta> delta_;
  std::deque<Change> changes_;
  std::size_t changes_bytes_ = 0;
  std::set<std::shared_ptr<http::WebSocket>> pages_;
  Change snapshot_;  // with the number of the last change in it
  std::optional<Steady::time_point> snapshot_at_;

  std::mutex wake_mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace umbel::collector
