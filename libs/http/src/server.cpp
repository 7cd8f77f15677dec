#include "umbel/http/server.hpp"

#include <arpa/inet.h>
#include <civetweb.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

#include "access.hpp"
#include "answer.hpp"
#include "connections.hpp"
#include "raw_request.hpp"
#include "sockets.hpp"
#include "umbel/base/text.hpp"
#include "web_socket.hpp"

namespace umbel::http {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kOtherDescriptors = 256;
constexpr std::size_t kLarge = 64 * 1024;  // bytes; a larger answer is written by itself
constexpr milliseconds kMoreTime{1000};    // for CivetWeb to end what it times itself

// Threads to answer 503 with while all others are taken.
std::size_t spare_threads(std::size_t connections) {
  return std::clamp<std::size_t>(connections, 32, 64);
}

bool changes_nothing(const std::string& method) { return method == "GET" || method == "HEAD"; }

std::string text_of(const char* text) {
  return text == nullptr ? std::string{} : std::string{text};
}

// `localhost:5555` of `http://localhost:5555/path`.
std::string authority_of(std::string_view uri) {
  const auto scheme = uri.find("://");
  if (uri.starts_with('/') || scheme == std::string_view::npos) return {};
  uri.remove_prefix(scheme + 3);
  return std::string{uri.substr(0, uri.find_first_of("/?"))};
}

RawRequest raw_request(const mg_request_info& info) {
  RawRequest raw;
  raw.method = text_of(info.request_method);
  raw.target = text_of(info.local_uri_raw);
  raw.authority = authority_of(text_of(info.request_uri));
  raw.query = text_of(info.query_string);
  raw.version = text_of(info.http_version);
  raw.remote_address = text_of(static_cast<const char*>(info.remote_addr));
  raw.headers.reserve(static_cast<std::size_t>(info.num_headers));
  for (int i = 0; i < info.num_headers; ++i) {
    raw.headers.emplace_back(text_of(info.http_headers[i].name),
                             text_of(info.http_headers[i].value));
  }
  return raw;
}

Peer peer_of(const mg_request_info& info) {
  return {text_of(static_cast<const char*>(info.remote_addr)),
          static_cast<std::uint16_t>(info.remote_port)};
}

bool write_all(mg_connection* connection, std::string_view text) {
  return text.empty() ||
         mg_write(connection, text.data(), text.size()) == static_cast<int>(text.size());
}

}  // namespace

const char* to_text(Turned why) {
  switch (why) {
    case Turned::Full:
      return "full";
    case Turned::Slow:
      return "slow";
    case Turned::Malformed:
      break;
  }
  return "malformed";
}

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
  std::atomic<std::size_t> in_flight{0};  // bytes of large answers
  std::atomic<bool> stopping{false};
  std::mutex mutex;
  std::string last_message;  // of CivetWeb
  std::unique_ptr<Connections> connections;
  std::unique_ptr<SocketWriter> writer;

  static Impl& of(const mg_connection* connection) {
    return *static_cast<Impl*>(mg_get_user_data(mg_get_context(connection)));
  }
  static Connection& state_of(const mg_connection* connection) {
    return *static_cast<Connection*>(mg_get_user_connection_data(connection));
  }

  void turned(Turned why) const {
    if (options.on_turned) options.on_turned(why);
  }

  [[nodiscard]] std::optional<Response> refuse(const RawRequest& raw, const Request& request,
                                               bool is_web_socket, bool too_many) const {
    if (stopping || too_many) {
      if (too_many) turned(Turned::Full);
      return unavailable_response(fmt::format(
          "this server serves {} connections at a time; try again later", options.max_connections));
    }
    if (auto wrong = refuse_malformed(raw)) {
      turned(Turned::Malformed);
      return wrong;
    }
    const std::string host = raw.authority.empty() ? request.header("host") : raw.authority;
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

  [[nodiscard]] milliseconds time_for(std::size_t bytes) const {
    return options.times.transfer + milliseconds{1000 * bytes / options.times.slowest};
  }

  void respond(mg_connection* connection, const Request& request, Response response,
               bool keep_alive) {
    if (response.raw) {
      if (options.on_response) options.on_response(response.status);
      mg_disable_connection_keep_alive(connection);
      state_of(connection).limit(std::chrono::minutes{15});  // it goes at a pace of its own
      response.raw([connection](std::string_view text) { return write_all(connection, text); });
      return;
    }
    const bool asked_to_close =
        lower(request.header("connection")).find("close") != std::string::npos;
    const bool old = text_of(mg_get_request_info(connection)->http_version) == "1.0";
    const std::size_t large = response.body.size() > kLarge ? response.body.size() : 0;
    if (large > 0 && in_flight.fetch_add(large) + large > options.max_in_flight) {
      response = unavailable_response(
          "too many large answers are being sent at the moment; try again later");
    }
    keep_alive = keep_alive && !asked_to_close && !old && !stopping;
    if (!keep_alive) mg_disable_connection_keep_alive(connection);
    if (request.method == "HEAD") leave_out_body(response);
    if (options.on_response) options.on_response(response.status);
    state_of(connection).limit(time_for(response.body.size()));
    const std::string head = head_of(response, keep_alive);
    bool written = false;
    if (response.body.size() <= kLarge) {
      written = write_all(connection, head + response.body);
    } else {
      written = write_all(connection, head) && write_all(connection, response.body);
    }
    if (!written) mg_disable_connection_keep_alive(connection);
    in_flight -= large;
    state_of(connection).head_since = Steady::now();
    state_of(connection).limit(options.times.idle + kMoreTime);
  }

  // False: longer than the bound, or cut off before its end.
  static bool read_body(mg_connection* connection, std::size_t bound, std::string& body) {
    const mg_request_info& info = *mg_get_request_info(connection);
    // Not larger: each of the server's threads keeps for good what its stack once needed.
    std::array<char, 4 * 1024> buffer;
    for (;;) {
      const int got = mg_read(connection, buffer.data(), buffer.size());
      if (got < 0) return false;
      if (got == 0) break;
      body.append(buffer.data(), static_cast<std::size_t>(got));
      if (body.size() > bound) return false;
    }
    return info.content_length < 0 || body.size() == static_cast<std::size_t>(info.content_length);
  }

  [[nodiscard]] SocketHandle handle_of(const mg_connection* connection) const {
    const Peer peer = peer_of(*mg_get_request_info(connection));
    return connection_from(port, peer.first, peer.second);
  }

  // The answer to what could not be read to its end; the connection ends with it.
  void part(mg_connection* connection) const {
    mg_disable_connection_keep_alive(connection);
    state_of(connection).limit(options.times.refused);
    finish_politely(handle_of(connection));
  }

  int serve(mg_connection* connection) {
    const mg_request_info& info = *mg_get_request_info(connection);
    Connection& state = state_of(connection);
    connections->is_from(state, peer_of(info));
    const RawRequest raw = raw_request(info);
    Request request = to_request(raw);
    const bool has_body = info.content_length > 0 || !request.header("transfer-encoding").empty();
    std::optional<Response> response = refuse(raw, request, false, state.too_many);
    // After a malformed head nobody can say where the next one begins.
    const bool head_holds = !response || response->status == 403;
    const bool declared_too_long =
        info.content_length > 0 &&
        static_cast<std::uint64_t>(info.content_length) > options.max_body;
    bool whole = !has_body && head_holds;
    if (!response && has_body && !declared_too_long) {
      if (!request.header("expect").empty()) {
        write_all(connection, "HTTP/1.1 100 Continue\r\n\r\n");
      }
      state.limit(time_for(info.content_length > 0 ? static_cast<std::size_t>(info.content_length)
                                                   : options.max_body));
      whole = read_body(connection, options.max_body, request.body);
    }
    if (!response && !whole) {
      response =
          declared_too_long || request.body.size() > options.max_body
              ? error_response(413, fmt::format("the body is longer than the {} bytes allowed",
                                                options.max_body))
              : error_response(400, "the body is malformed or ended before its announced length");
      turned(Turned::Malformed);
    }
    state.no_limit();
    if (!response) response = router.handle(std::move(request));
    const int status = response->status;
    request.method = raw.method;
    respond(connection, request, std::move(*response), whole);
    if (!whole) part(connection);
    return status;
  }

  int connect(const mg_connection* connection, const WebSocketRoute& route) {
    const mg_request_info& info = *mg_get_request_info(connection);
    connections->is_from(state_of(connection), peer_of(info));
    const RawRequest raw = raw_request(info);
    const Request request = to_request(raw);
    std::optional<Response> refused = refuse(raw, request, true, state_of(connection).too_many);
    if (!refused && request.path != route.path) {
      refused = error_response(404, "there is nothing at " + request.path);
    }
    if (!refused && request.method != "GET") {
      refused = error_response(405, "a WebSocket begins with GET");
      refused->headers.emplace_back("Allow", "GET");
    }
    if (!refused && route.refuse) refused = route.refuse(request);
    if (!refused) return 0;
    // CivetWeb closes without a word; the page's author deserves one.
    respond(const_cast<mg_connection*>(connection), request, std::move(*refused), false);
    return 1;
  }

  // Holds CivetWeb's thread for the connection as long as it lasts.
  void converse(mg_connection* connection, const WebSocketRoute& route) {
    const Request request = to_request(raw_request(*mg_get_request_info(connection)));
    SocketHandle handle = handle_of(connection);
    if (handle.get() < 0) {  // gone already
      state_of(connection).limit(milliseconds{0});
      return;
    }
    state_of(connection).no_limit();
    const auto socket = std::make_shared<QueuedSocket>(
        std::move(handle), QueueLimits{options.max_queued_per_socket, options.times.lag}, *writer);
    writer->add(socket);
    if (stopping) socket->detach();
    if (route.on_open) route.on_open(socket, request);
    const FrameParser::Sink sink{.text =
                                     [&](std::string_view text) {
                                       if (route.on_text) route.on_text(socket, text);
                                     },
                                 .ping = [&](std::string_view payload) { socket->pong(payload); }};
    const auto wrong = read_until_end(*socket, options.times, options.max_message, sink);
    if (wrong) {
      turned(Turned::Malformed);
      log.debug("a WebSocket was closed", {{"reason", wrong->reason}, {"code", wrong->code}});
    } else if (socket->fell_behind()) {
      turned(Turned::Slow);
    }
    if (route.on_close) route.on_close(socket);
  }

  // What CivetWeb refuses itself, in our words; it closes the connection.
  void failed(mg_connection* connection, int status) {
    Connection& state = state_of(connection);
    const mg_request_info& info = *mg_get_request_info(connection);
    connections->is_from(state, peer_of(info));
    const auto waited = Steady::now() - state.head_since;
    const bool late = waited >= std::min(options.times.head, options.times.idle);
    turned(late && status == 400 ? Turned::Slow : Turned::Malformed);
    Response response = refusal_of(status, text_of(info.request_method), late);
    Request request;
    request.method = text_of(info.request_method);
    state.told = true;
    respond(connection, request, std::move(response), false);
    part(connection);
  }

  void closing(mg_connection* connection) {
    const mg_request_info* const info = mg_get_request_info(connection);  // none: no request came
    // CivetWeb says nothing to a target that is no path of this server, such as `*`.
    if (info != nullptr && info->request_uri != nullptr && info->local_uri_raw == nullptr &&
        !state_of(connection).told && !stopping) {
      connections->is_from(state_of(connection), peer_of(*info));
      Request request;
      request.method = text_of(info->request_method);
      turned(Turned::Malformed);
      respond(connection, request,
              error_response(400, "the request's target must be a path of this server"), false);
      part(connection);
    }
    connections->forget(connection);
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
            of(connection).converse(connection, *static_cast<const WebSocketRoute*>(data));
          },
          // Only what came in before the handshake's answer is left for CivetWeb to read.
          [](mg_connection*, int, char*, std::size_t, void*) { return 0; }, nullptr,
          const_cast<WebSocketRoute*>(&route));
    }
  }

  static mg_callbacks callbacks() {
    mg_callbacks calls{};
    calls.init_context = [](const mg_context* started) {
      static_cast<Impl*>(mg_get_user_data(started))->install(const_cast<mg_context*>(started));
    };
    calls.init_connection = [](const mg_connection* connection, void** data) {
      Impl& self = of(connection);
      Connection& state = self.connections->add(connection);
      state.limit(state.too_many ? self.options.times.refused : self.options.times.head);
      *data = &state;
      return 0;
    };
    calls.connection_close = [](const mg_connection* connection) {
      of(connection).closing(const_cast<mg_connection*>(connection));
    };
    calls.http_error = [](mg_connection* connection, int status, const char*) {
      of(connection).failed(connection, status);
      return 0;
    };
    calls.log_message = [](const mg_connection* connection, const char* message) {
      Impl& self = of(connection);
      const std::lock_guard lock{self.mutex};
      self.last_message = text_of(message);
      return 1;
    };
    // No log_access: CivetWeb would ask localtime() for each request, which is not thread-safe.
    return calls;
  }

  [[nodiscard]] std::size_t threads() const {
    return options.max_connections + spare_threads(options.max_connections);
  }

  [[nodiscard]] std::vector<std::string> settings() const {
    const auto number = [](milliseconds time) { return std::to_string(time.count()); };
    return {"listening_ports",
            fmt::format("{}:{}", options.address, options.port),
            "num_threads",
            std::to_string(threads()),
            "enable_keep_alive",
            "yes",
            "keep_alive_timeout_ms",
            number(options.times.idle),
            "request_timeout_ms",
            number(options.times.head),
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
            "enable_auth_domain_check",
            "no",
            "enable_directory_listing",
            "no",
            "listen_backlog",
            "1024"};
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
    // A WebSocket has two: CivetWeb's and ours.
    const std::size_t wanted = 2 * threads() + kOtherDescriptors;
    if (const auto allowed = allow_descriptors(wanted); allowed < wanted) {
      log.warn("fewer file descriptors are allowed than all connections may need",
               {{"allowed", allowed}, {"wanted", wanted}});
    }
    stopping = false;
    writer = std::make_unique<SocketWriter>();
    connections = std::make_unique<Connections>(options.max_connections, options.times.refused,
                                                [this] { turned(Turned::Slow); });
    mg_init_library(0);
    const mg_callbacks calls = callbacks();
    const std::vector<std::string> words = settings();
    std::vector<const char*> pointers;
    for (const std::string& word : words) pointers.push_back(word.c_str());
    pointers.push_back(nullptr);
    context = mg_start(&calls, this, pointers.data());
    if (context == nullptr) {
      mg_exit_library();
      connections.reset();
      writer.reset();
      if (!can_bind(options.address, options.port)) {
        return Error{Errc::Conflict, "port " + where + " is taken by another program"};
      }
      return unavailable("cannot listen on " + where + ": " + last_message);
    }
    mg_server_port bound{};
    mg_get_server_ports(context, 1, &bound);
    port = static_cast<std::uint16_t>(bound.port);
    connections->listens_on(port);
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
    connections.reset();
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
std::size_t Server::connections() const {
  return impl_->connections ? impl_->connections->count() : 0;
}

}  // namespace umbel::http
