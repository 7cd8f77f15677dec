#include "umbel/http/server.hpp"

#include <arpa/inet.h>
#include <civetweb.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <map>
#include <mutex>
#include <unordered_map>

#include "access.hpp"
#include "sockets.hpp"
#include "web_socket.hpp"

namespace umbel::http {
namespace {

constexpr std::size_t kSpareThreads = 64;  // to answer 503 with while all others are taken
constexpr std::size_t kMostDrained =
    16 * 1024 * 1024;  // bytes of a refused body read before closing

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

bool changes_nothing(const std::string& method) { return method == "GET" || method == "HEAD"; }

std::string text_of(const char* text) {
  return text == nullptr ? std::string{} : std::string{text};
}

Request request_of(const mg_request_info& info) {
  Request request;
  request.method = text_of(info.request_method);
  request.path = percent_decoded(text_of(info.local_uri_raw));
  request.query = text_of(info.query_string);
  request.remote_address = text_of(static_cast<const char*>(info.remote_addr));
  for (int i = 0; i < info.num_headers; ++i) {
    std::string& value = request.headers[lower(text_of(info.http_headers[i].name))];
    if (!value.empty()) value += ", ";
    value += text_of(info.http_headers[i].value);
  }
  return request;
}

const char* reason_of(mg_connection* connection, int status) {
  return mg_get_response_code_text(connection, status);
}

bool has_header(const Response& response, std::string_view name) {
  return std::any_of(response.headers.begin(), response.headers.end(),
                     [&](const auto& header) { return lower(header.first) == lower(name); });
}

// Neither a line break nor another control character may end a header early.
std::string header_value(std::string_view value) {
  std::string clean{value};
  std::replace_if(
      clean.begin(), clean.end(), [](char c) { return static_cast<unsigned char>(c) < 32; }, ' ');
  return clean;
}

std::string head_of(mg_connection* connection, const Response& response, bool keep_alive) {
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_of(connection, response.status));
  const auto add = [&head](std::string_view name, std::string_view value) {
    head += fmt::format("{}: {}\r\n", name, header_value(value));
  };
  const auto add_default = [&](std::string_view name, std::string_view value) {
    if (!has_header(response, name)) add(name, value);
  };
  if (!response.content_type.empty()) add("Content-Type", response.content_type);
  for (const auto& [name, value] : response.headers) add(name, value);
  if (response.status != 304 && response.status != 204) {
    add_default("Content-Length", std::to_string(response.body.size()));
  }
  add_default("Cache-Control", "no-store");
  add_default("Vary", "Accept");
  add_default("X-Content-Type-Options", "nosniff");
  add_default("X-Frame-Options", "DENY");
  add_default("Referrer-Policy", "no-referrer");
  add_default("Cross-Origin-Resource-Policy", "same-origin");
  add("Connection", keep_alive ? "keep-alive" : "close");
  return head + "\r\n";
}

bool write_all(mg_connection* connection, std::string_view text) {
  return text.empty() || mg_write(connection, text.data(), text.size()) > 0;
}

}  // namespace

struct Server::Impl {
  Impl(ServerOptions given, Router table, std::vector<WebSocketRoute> routes, Log to)
      : options{std::move(given)},
        router{std::move(table)},
        sockets{std::move(routes)},
        log{std::move(to)} {}

  const ServerOptions options;
  const Router router;
  const std::vector<WebSocketRoute> sockets;
  const Log log;
  mg_context* context = nullptr;
  std::atomic<std::uint16_t> port{0};
  std::atomic<std::size_t> connections{0};
  std::atomic<bool> stopping{false};

  struct Page {  // one open WebSocket
    const WebSocketRoute* route = nullptr;
    std::shared_ptr<QueuedSocket> socket;
    std::string partial;  // text of a message still coming in frames; by CivetWeb's thread alone
  };
  std::mutex mutex;
  std::unordered_map<const mg_connection*, std::shared_ptr<Page>> pages;
  std::string last_message;  // of CivetWeb
  std::unique_ptr<SocketWriter> writer;

  static Impl& of(const mg_connection* connection) {
    return *static_cast<Impl*>(mg_get_user_data(mg_get_context(connection)));
  }

  static bool is_too_many(const mg_connection* connection) {
    return mg_get_user_connection_data(connection) != nullptr;
  }

  [[nodiscard]] std::optional<Response> refuse(const mg_request_info& info, const Request& request,
                                               bool is_web_socket, bool too_many) const {
    if (stopping || too_many) {
      return error_response(
          503, fmt::format("this server serves {} connections at a time; try again later",
                           options.max_connections));
    }
    const std::string host = request.header("host");
    if (host.empty() && text_of(info.http_version) != "1.0") {
      return error_response(400, "the Host header is missing");
    }
    const Access access{options.address, options.allowed_hosts};
    if (!host.empty()) {
      if (const auto wrong = refuse_host(access, host)) return error_response(403, *wrong);
    }
    if (is_web_socket || !changes_nothing(request.method)) {
      if (const auto wrong = refuse_origin(request.header("origin"), host)) {
        return error_response(403, *wrong);
      }
    }
    return std::nullopt;
  }

  void respond(mg_connection* connection, const Request& request, Response response,
               bool keep_alive) const {
    if (options.on_response) options.on_response(response.status);
    if (response.raw) {
      mg_disable_connection_keep_alive(connection);
      response.raw([connection](std::string_view text) { return write_all(connection, text); });
      return;
    }
    const bool asked_to_close =
        lower(request.header("connection")).find("close") != std::string::npos;
    const bool old = text_of(mg_get_request_info(connection)->http_version) == "1.0";
    keep_alive = keep_alive && !asked_to_close && !old && !stopping;
    if (!keep_alive) mg_disable_connection_keep_alive(connection);
    if (request.method == "HEAD") {
      if (!has_header(response, "Content-Length")) {
        response.headers.emplace_back("Content-Length", std::to_string(response.body.size()));
      }
      response.body.clear();
    }
    constexpr std::size_t kOnePiece = 64 * 1024;
    std::string head = head_of(connection, response, keep_alive);
    if (response.body.size() <= kOnePiece) {
      write_all(connection, head + response.body);
    } else if (write_all(connection, head)) {
      write_all(connection, response.body);
    }
  }

  // False: longer than the bound, or cut off before its end.
  static bool read_body(mg_connection* connection, std::size_t bound, std::string& body) {
    const mg_request_info& info = *mg_get_request_info(connection);
    char buffer[16 * 1024];
    for (;;) {
      const int got = mg_read(connection, buffer, sizeof buffer);
      if (got < 0) return false;
      if (got == 0) break;
      body.append(buffer, static_cast<std::size_t>(got));
      if (body.size() > bound) return false;
    }
    return info.content_length < 0 || body.size() == static_cast<std::size_t>(info.content_length);
  }

  // A connection closed with unread bytes resets, and the client may never see the answer.
  static void drain(mg_connection* connection) {
    char buffer[16 * 1024];
    for (std::size_t total = 0; total < kMostDrained;) {
      const int got = mg_read(connection, buffer, sizeof buffer);
      if (got <= 0) return;
      total += static_cast<std::size_t>(got);
    }
  }

  int serve(mg_connection* connection) {
    const mg_request_info& info = *mg_get_request_info(connection);
    Request request = request_of(info);
    const bool has_body = info.content_length > 0 || !request.header("transfer-encoding").empty();
    std::optional<Response> response = refuse(info, request, false, is_too_many(connection));
    const bool declared_too_long =
        info.content_length > 0 &&
        static_cast<std::uint64_t>(info.content_length) > options.max_body;
    bool whole = !has_body;
    if (!response && has_body && !declared_too_long) {
      if (lower(request.header("expect")) == "100-continue") {
        write_all(connection, "HTTP/1.1 100 Continue\r\n\r\n");
      }
      whole = read_body(connection, options.max_body, request.body);
    }
    if (!response && !whole) {
      response =
          declared_too_long || request.body.size() > options.max_body
              ? error_response(413, fmt::format("the body is longer than the {} bytes allowed",
                                                options.max_body))
              : error_response(400, "the body ended before its announced length");
    }
    if (!response) response = router.handle(request);
    const int status = response->status;
    respond(connection, request, std::move(*response), whole && !is_too_many(connection));
    if (!whole) drain(connection);
    return status;
  }

  int connect(const mg_connection* connection, const WebSocketRoute& route) {
    const mg_request_info& info = *mg_get_request_info(connection);
    const Request request = request_of(info);
    std::optional<Response> refused = refuse(info, request, true, is_too_many(connection));
    if (!refused && request.path != route.path) {
      refused = error_response(404, "there is nothing at " + request.path);
    }
    if (!refused && route.refuse) refused = route.refuse(request);
    if (!refused) return 0;
    // CivetWeb closes without a word; the page's author deserves one.
    respond(const_cast<mg_connection*>(connection), request, std::move(*refused), false);
    return 1;
  }

  void ready(mg_connection* connection, const WebSocketRoute& route) {
    const mg_request_info& info = *mg_get_request_info(connection);
    const Request request = request_of(info);
    SocketHandle handle =
        connection_from(static_cast<std::uint16_t>(info.server_port), request.remote_address,
                        static_cast<std::uint16_t>(info.remote_port));
    if (handle.get() < 0) return;  // gone already
    auto page = std::make_shared<Page>();
    page->route = &route;
    page->socket =
        std::make_shared<QueuedSocket>(std::move(handle), options.max_queued_per_socket, *writer);
    {
      const std::lock_guard lock{mutex};
      pages.emplace(connection, page);
    }
    writer->add(page->socket);
    if (stopping) page->socket->detach();
    if (route.on_open) route.on_open(page->socket, request);
  }

  std::shared_ptr<Page> page_of(const mg_connection* connection) {
    const std::lock_guard lock{mutex};
    const auto found = pages.find(connection);
    return found == pages.end() ? nullptr : found->second;
  }

  // Answers whether to keep the connection.
  bool data(const mg_connection* connection, int bits, std::string_view payload) {
    const auto page = page_of(connection);
    if (!page) return false;
    const bool last = (bits & 0x80) != 0;
    switch (bits & 0x0F) {
      case MG_WEBSOCKET_OPCODE_PING:
        page->socket->pong(payload);
        return true;
      case MG_WEBSOCKET_OPCODE_PONG:
        return true;
      case MG_WEBSOCKET_OPCODE_TEXT:
        page->partial.assign(payload);
        break;
      case MG_WEBSOCKET_OPCODE_CONTINUATION:
        page->partial.append(payload);
        break;
      default:
        page->socket->close();
        return false;  // a goodbye, or binary data, which nobody sends us
    }
    if (page->partial.size() > options.max_body) return false;
    if (last && page->route->on_text) page->route->on_text(page->socket, page->partial);
    return true;
  }

  void closed(const mg_connection* connection) {
    std::shared_ptr<Page> page;
    {
      const std::lock_guard lock{mutex};
      const auto found = pages.find(connection);
      if (found == pages.end()) return;
      page = found->second;
      pages.erase(found);
    }
    page->socket->detach();
    if (page->route->on_close) page->route->on_close(page->socket);
  }

  void install(mg_context* started) {
    mg_set_request_handler(
        started, "/",
        [](mg_connection* connection, void* self) {
          return static_cast<Impl*>(self)->serve(connection);
        },
        this);
    for (const WebSocketRoute& route : sockets) {
      mg_set_websocket_handler(
          started, route.path.c_str(),
          [](const mg_connection* connection, void* data) {
            return of(connection).connect(connection, *static_cast<const WebSocketRoute*>(data));
          },
          [](mg_connection* connection, void* data) {
            of(connection).ready(connection, *static_cast<const WebSocketRoute*>(data));
          },
          [](mg_connection* connection, int bits, char* data, std::size_t size, void*) {
            return of(connection).data(connection, bits, {data, size}) ? 1 : 0;
          },
          [](const mg_connection* connection, void*) { of(connection).closed(connection); },
          const_cast<WebSocketRoute*>(&route));
    }
  }

  static mg_callbacks callbacks() {
    mg_callbacks calls{};
    calls.init_context = [](const mg_context* started) {
      static_cast<Impl*>(mg_get_user_data(started))->install(const_cast<mg_context*>(started));
    };
    calls.init_connection = [](const mg_connection* connection, void** too_many) {
      Impl& self = of(connection);
      if (++self.connections > self.options.max_connections) *too_many = &self;
      return 0;
    };
    calls.connection_closed = [](const mg_connection* connection) { --of(connection).connections; };
    calls.log_message = [](const mg_connection* connection, const char* message) {
      Impl& self = of(connection);
      const std::lock_guard lock{self.mutex};
      self.last_message = text_of(message);
      return 1;
    };
    // No log_access: CivetWeb would ask localtime() for each request, which is not thread-safe.
    return calls;
  }

  Result<void> start() {
    if (context != nullptr) return {};
    in_addr parsed{};
    if (inet_pton(AF_INET, options.address.c_str(), &parsed) != 1) {
      return invalid("the address '" + options.address +
                     "' is not an IPv4 address such as 127.0.0.1 or 0.0.0.0");
    }
    const std::string where = fmt::format("{}:{}", options.address, options.port);
    if (!can_bind(options.address, options.port)) {
      return Error{Errc::Conflict, "port " + where + " is taken by another program"};
    }
    const std::string threads = std::to_string(options.max_connections + kSpareThreads);
    const char* const settings[] = {"listening_ports",
                                    where.c_str(),
                                    "num_threads",
                                    threads.c_str(),
                                    "enable_keep_alive",
                                    "yes",
                                    "keep_alive_timeout_ms",
                                    "30000",
                                    "request_timeout_ms",
                                    "30000",
                                    "tcp_nodelay",
                                    "1",
                                    "access_control_allow_origin",
                                    "",
                                    "access_control_allow_methods",
                                    "",
                                    "access_control_allow_headers",
                                    "",
                                    "decode_url",
                                    "no",
                                    "enable_directory_listing",
                                    "no",
                                    "listen_backlog",
                                    "1024",
                                    nullptr};
    stopping = false;
    writer = std::make_unique<SocketWriter>();
    mg_init_library(0);
    const mg_callbacks calls = callbacks();
    context = mg_start(&calls, this, const_cast<const char**>(settings));
    if (context == nullptr) {
      mg_exit_library();
      writer.reset();
      if (!can_bind(options.address, options.port)) {
        return Error{Errc::Conflict, "port " + where + " is taken by another program"};
      }
      return unavailable("cannot listen on " + where + ": " + last_message);
    }
    mg_server_port bound{};
    mg_get_server_ports(context, 1, &bound);
    port = static_cast<std::uint16_t>(bound.port);
    return {};
  }

  void stop() {
    if (context == nullptr) return;
    stopping = true;
    writer->close_all();
    shut_down_all(port);  // wakes the acceptor and whoever waits for a request
    mg_stop(context);
    context = nullptr;
    mg_exit_library();
    writer.reset();
  }
};

Server::Server(ServerOptions options, Router router, std::vector<WebSocketRoute> sockets, Log log)
    : impl_{std::make_unique<Impl>(std::move(options), std::move(router), std::move(sockets),
                                   std::move(log))} {}

Server::~Server() { stop(); }
Result<void> Server::start() { return impl_->start(); }
void Server::stop() { impl_->stop(); }
std::uint16_t Server::port() const { return impl_->port; }

}  // namespace umbel::http
