// The sending half of WebSockets: one thread that writes every client's queue without ever blocking
// on one of them.
//
// CivetWeb writes with blocking calls, so that one page that stopped reading would hold up the
// others; here a client that does not read fills its own queue and is closed.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "sockets.hpp"
#include "umbel/http/server.hpp"

namespace umbel::http {

class SocketWriter;

// Shared by CivetWeb's thread for the connection, by the writer and by whoever sends. Thread-safe.
class QueuedSocket final : public WebSocket {
 public:
  QueuedSocket(SocketHandle handle, std::size_t max_queued, SocketWriter& writer);

  bool send(std::shared_ptr<const std::string> text) override;
  void close() override;  // says goodbye behind what is queued; one that does not read is cut off

  void pong(std::string_view payload);
  // The connection is gone: nothing is written any more, and sending answers false.
  void detach();

 private:
  friend class SocketWriter;
  struct Frame {
    std::string head;  // the frame's header, and for control frames all of it
    std::shared_ptr<const std::string> text;
  };
  enum class Step { Idle, Blocked, Over };

  bool enqueue(Frame frame, bool last = false);
  void cut_off();                   // with the mutex held
  [[nodiscard]] Step write_some();  // by the writer alone

  const SocketHandle handle_;
  const std::size_t max_queued_;
  SocketWriter& writer_;
  std::mutex mutex_;
  std::deque<Frame> queue_;
  std::size_t queued_bytes_ = 0;
  std::size_t written_ = 0;  // of the first frame
  bool closing_ = false;     // a goodbye is queued
  bool over_ = false;
};

class SocketWriter {
 public:
  SocketWriter();
  ~SocketWriter();
  SocketWriter(const SocketWriter&) = delete;
  SocketWriter& operator=(const SocketWriter&) = delete;

  void add(std::shared_ptr<QueuedSocket> socket);
  void wake();
  void close_all();  // cuts every connection off

 private:
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::vector<std::weak_ptr<QueuedSocket>> sockets_;
  SocketHandle wake_;  // an eventfd
  std::jthread thread_;
};

}  // namespace umbel::http
