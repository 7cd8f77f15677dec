// The HTTP and WebSocket server: CivetWeb behind our words.
//
// Before any handler: the Host header must name this server (loopback names, the bound address, or
// an allowed host: a web page on another name cannot reach us by rebinding DNS), and a cross-site
// Origin is refused on everything but GET and HEAD, and on every WebSocket.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"
#include "umbel/http/message.hpp"
#include "umbel/http/router.hpp"

namespace umbel::http {

// One connected page. Thread-safe. Sending never blocks: text goes into a bounded queue that a
// small pool of writers empties.
class WebSocket {
 public:
  virtual ~WebSocket() = default;
  // False: closed, or the queue was full, and then the connection is being closed: the client
  // resumes with a new one.
  virtual bool send(std::shared_ptr<const std::string> text) = 0;
  virtual void close() = 0;
};

// Called from the server's threads. The handler of one socket is called by one thread at a time.
// What a client sends is bounded (`max_message`, some frames a second) and must be masked, unbroken
// UTF-8 text; anything else ends its connection with a close code and a reason.
struct WebSocketRoute {
  std::string path;
  // Before the handshake: an answer refuses the connection. Empty: nobody is refused here.
  std::function<std::optional<Response>(const Request&)> refuse;
  std::function<void(std::shared_ptr<WebSocket>, const Request&)> on_open;
  std::function<void(const std::shared_ptr<WebSocket>&, std::string_view text)> on_text;
  std::function<void(const std::shared_ptr<WebSocket>&)> on_close;
};

// How long a peer may take. No progress moves a deadline: whoever sends or reads a byte a second is
// cut off like one who does nothing.
struct ServerTimes {
  std::chrono::milliseconds head{10'000};      // for the head of a connection's first request
  std::chrono::milliseconds idle{30'000};      // to the end of the next head on a kept connection
  std::chrono::milliseconds transfer{10'000};  // for a body or an answer, beside its size:
  std::size_t slowest = 64 * 1024;             // bytes a second that must be managed
  std::chrono::milliseconds refused{2'000};    // for a connection beyond the bound
  std::chrono::milliseconds ping{20'000};      // a WebSocket that is silent so long is asked
  std::chrono::milliseconds silence{50'000};   // and closed after this
  std::chrono::milliseconds lag{20'000};  // what waits for a WebSocket longer than this closes it
};

enum class Turned { Full, Slow, Malformed };  // why a client was turned away or cut off
[[nodiscard]] const char* to_text(Turned why);

struct ServerOptions {
  std::string address = "127.0.0.1";  // IPv4
  std::uint16_t port = 0;             // 0: any free one
  // Beyond it 503. CivetWeb keeps a thread for each (a few kilobytes of memory while unused), made
  // at the start.
  std::size_t max_connections = 256;
  std::size_t max_body = 1024 * 1024;             // bytes; larger requests are answered 413
  std::size_t max_in_flight = 256 * 1024 * 1024;  // bytes of large answers being sent; else 503
  std::size_t max_message = 64 * 1024;            // bytes of a WebSocket's incoming text
  std::size_t max_queued_per_socket =
      4 * 1024 * 1024;  // bytes waiting for a slow client before it is closed
  ServerTimes times;
  std::function<void(int status)> on_response;  // after each answer, from any thread
  std::function<void(Turned why)> on_turned;    // from any thread
  std::vector<std::string>
      allowed_hosts;  // Host names beside loopback and the bound address; "*" allows any
};

// start() binds and begins to answer; stop() ends every connection and joins every thread. stop()
// is fine unstarted and fine twice.
class Server {
 public:
  Server(ServerOptions options, Router router, std::vector<WebSocketRoute> sockets, Log log);
  ~Server();
  [[nodiscard]] Result<void> start();  // Conflict: the port is taken, by whom if that can be seen
  void stop();
  [[nodiscard]] std::uint16_t port() const;       // the one bound
  [[nodiscard]] std::size_t connections() const;  // open now

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace umbel::http
