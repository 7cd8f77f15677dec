// WebSockets on descriptors of our own: one thread that writes every client's queue without ever
// blocking on one of them, and a bounded reader for each connection.
//
// CivetWeb writes with blocking calls, so that one page that stopped reading would hold up the
// others, and takes in whatever length a frame announces before anybody may refuse it; here a
// client that does not read fills its own queue and is closed, and one that says too much is told
// so.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "frame_parser.hpp"
#include "sockets.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/http/server.hpp"

namespace umbel::http {

class SocketWriter;

struct QueueLimits {
  std::size_t bytes = 4 * 1024 * 1024;    // waiting for the client
  std::chrono::milliseconds age{20'000};  // of the oldest that waits
};

// Shared by the connection's thread, by the writer and by whoever sends. Thread-safe.
class QueuedSocket final : public WebSocket, public std::enable_shared_from_this<QueuedSocket> {
 public:
  QueuedSocket(SocketHandle handle, QueueLimits limits, SocketWriter& writer);

  bool send(std::shared_ptr<const std::string> text) override;
  void close() override { close(kCloseNormal, {}); }
  // Says goodbye behind what is queued; a client that does not read is cut off.
  void close(std::uint16_t code, std::string_view reason);

  void ping();
  void pong(std::string_view payload);  // in place of one that is still waiting
  // The connection is gone: nothing is written any more, and sending answers false.
  void detach();
  // It was cut off because it did not take in what waited for it.
  [[nodiscard]] bool fell_behind();
  [[nodiscard]] int descriptor() const { return handle_.get(); }

 private:
  friend class SocketWriter;
  struct Frame {
    std::string head;  // the frame's header, and for control frames all of it
    std::shared_ptr<const std::string> text;
    Steady::time_point since = Steady::now();
  };
  enum class Step { Idle, Waiting, Over };

  bool enqueue(Frame frame, bool last = false);
  void cut_off();  // with the mutex held
  // By the writer alone. Waiting: look again when the descriptor says so, and now and then.
  [[nodiscard]] Step write_some();
  [[nodiscard]] short awaited();  // what to poll the descriptor for

  const SocketHandle handle_;
  const QueueLimits limits_;
  SocketWriter& writer_;
  std::mutex mutex_;
  std::deque<Frame> queue_;
  std::size_t queued_bytes_ = 0;
  std::size_t written_ = 0;  // of the first frame
  std::string pong_;         // a whole frame, sent before the next message
  bool at_writer_ = false;   // it looks at this socket already
  bool closing_ = false;     // a goodbye is queued
  bool behind_ = false;
  bool over_ = false;                          // nothing is sent any more
  std::optional<Steady::time_point> goodbye_;  // said; the client may still read it and leave
};

class SocketWriter {
 public:
  SocketWriter();
  ~SocketWriter();
  SocketWriter(const SocketWriter&) = delete;
  SocketWriter& operator=(const SocketWriter&) = delete;

  void add(const std::shared_ptr<QueuedSocket>& socket);  // so that close_all() reaches it
  void has_more(std::shared_ptr<QueuedSocket> socket);
  void close_all();  // cuts every connection off

 private:
  void run(const std::stop_token& stop);
  void wake();

  std::mutex mutex_;
  std::vector<std::weak_ptr<QueuedSocket>> all_;
  std::vector<std::shared_ptr<QueuedSocket>> ready_;
  SocketHandle wake_;  // an eventfd
  std::jthread thread_;
};

// Reads a connection until it ends, for whichever reason, and says goodbye; blocks. Answers what
// was wrong, or nothing where the client left or the server stops. `max_message` in bytes.
[[nodiscard]] std::optional<WebSocketEnd> read_until_end(QueuedSocket& socket,
                                                         const ServerTimes& times,
                                                         std::size_t max_message,
                                                         const FrameParser::Sink& sink);

}  // namespace umbel::http
