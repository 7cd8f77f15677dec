// The HTTP and WebSocket server: CivetWeb behind our words.
//
// Before any handler: the Host header must name this server (loopback names, the bound address, or
// an allowed host: a web page on another name cannot reach us by rebinding DNS), and a cross-site
// Origin is refused on everything but GET and HEAD, and on every WebSocket.
#pragma once

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
struct WebSocketRoute {
  std::string path;
  // Before the handshake: an answer refuses the connection. Empty: nobody is refused here.
  std::function<std::optional<Response>(const Request&)> refuse;
  std::function<void(std::shared_ptr<WebSocket>, const Request&)> on_open;
  std::function<void(const std::shared_ptr<WebSocket>&, std::string_view text)> on_text;
  std::function<void(const std::shared_ptr<WebSocket>&)> on_close;
};

struct ServerOptions {
  std::string address = "127.0.0.1";  // IPv4
  std::uint16_t port = 0;             // 0: any free one
  // Beyond it 503. CivetWeb keeps a thread for each (a few kilobytes of memory while unused), made
  // at the start.
  std::size_t max_connections = 256;
  std::size_t max_body = 1024 * 1024;  // bytes; larger requests are answered 413
  std::size_t max_queued_per_socket =
      4 * 1024 * 1024;  // bytes waiting for a slow client before it is closed
  std::function<void(int status)> on_response;  // after each answer, from any thread
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
  [[nodiscard]] std::uint16_t port() const;  // the one bound

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace umbel::http
