#include "umbel/testing/rabbit_server.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "dialogue.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/server_port.hpp"

namespace umbel::testing {
namespace {

constexpr const char* kServer = "/usr/lib/rabbitmq/bin/rabbitmq-server";
// A start waits for nothing but 2.5 s of one core, mostly to load its code: where compilers hold
// all cores it takes a multiple (37 s with a load of 8 on two).
constexpr std::chrono::seconds kReady{180};
constexpr std::chrono::milliseconds kLook{25};

// Answers each expression in a frame of four bytes of length with its value, `+` before it, or with
// the exception, `-` before it.
constexpr const char* kEvaluator = R"(
spawn(fun() ->
  {{ok, Listener}} = gen_tcp:listen({}, [binary, {{ip, {{127, 0, 0, 1}}}}, {{packet, 4}},
                                        {{active, false}}, {{reuseaddr, true}}]),
  Serve = fun Serve(Socket) ->
    case gen_tcp:recv(Socket, 0) of
      {{ok, Text}} ->
        Answer = try
          {{ok, Tokens, _}} = erl_scan:string(unicode:characters_to_list(Text)),
          {{ok, Expressions}} = erl_parse:parse_exprs(Tokens),
          {{value, Value, _}} = erl_eval:exprs(Expressions, []),
          Said = case Value =/= [] andalso io_lib:printable_unicode_list(Value) of
            true -> Value;
            false -> io_lib:format("~0tp", [Value])
          end,
          [$+, Said]
        catch Class:Reason -> [$-, io_lib:format("~0tp", [{{Class, Reason}}])] end,
        gen_tcp:send(Socket, unicode:characters_to_binary(Answer)),
        Serve(Socket);
      _ -> gen_tcp:close(Socket)
    end end,
  Accept = fun Accept() ->
    {{ok, Socket}} = gen_tcp:accept(Listener),
    gen_tcp:controlling_process(Socket, spawn(fun() -> Serve(Socket) end)),
    Accept() end,
  Accept() end).
)";

void write(const std::string& path, const std::string& text) {
  std::ofstream file{path};
  file << text;
  if (!file.flush()) throw std::runtime_error{"cannot write " + path};
}

// An Erlang binary of the text.
std::string binary(const std::string& text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  return fmt::format("<<\"{}\">>", quoted);
}

std::string framed(const std::string& text) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((text.size() >> static_cast<unsigned>(shift)) & 0xffU));
  }
  return out + text;
}

std::size_t number(const std::string& bytes) {
  std::size_t value = 0;
  for (const char c : bytes) value = value << 8U | static_cast<unsigned char>(c);
  return value;
}

// Whether a server that is done with its start-up answers there: it opens its listeners last.
bool greets(std::uint16_t port) {
  try {
    Dialogue dialogue{port, std::chrono::seconds{2}};
    dialogue.send(std::string_view{"AMQP\0\0\x09\x01", 8});
    return dialogue.receive(1) == "\x01";  // a method frame: Connection.Start
  } catch (const std::runtime_error&) {
    return false;
  }
}

bool accepts(std::uint16_t port) {
  try {
    const Dialogue dialogue{port};
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

}  // namespace

RabbitServer::RabbitServer(RabbitOptions options) : options_{std::move(options)} {
  if (!std::filesystem::exists(kServer)) {
    throw std::runtime_error{fmt::format("{} is missing: install rabbitmq-server", kServer)};
  }
  if (options_.tls) write_certificates();
  settle();
  try {
    start();
  } catch (const std::runtime_error& error) {
    // Seconds pass between the choice of a port and its use, and tests beside this one choose too.
    const std::string log = server_->log() + mapper_->log();
    if (log.find("eaddrinuse") == std::string::npos && log.find("in use") == std::string::npos) {
      throw;
    }
    std::cerr << "once more, on other ports: " << error.what() << '\n';
    server_->kill();
    settle();
    start();
  }
}

void RabbitServer::settle() {
  port_ = server_port();
  tls_port_ = options_.tls ? server_port() : std::uint16_t{0};
  management_port_ = options_.management ? server_port() : std::uint16_t{0};
  mapper_port_ = server_port();
  peers_port_ = server_port();
  eval_port_ = server_port();
  write_configuration();
  const std::string mapper_port = std::to_string(mapper_port_);
  mapper_ = std::make_unique<Process>(
      "epmd", std::vector<std::string>{"epmd", "-port", mapper_port, "-address", "127.0.0.1"},
      dir_.file("epmd.log"));
  server_ = std::make_unique<Process>(
      "rabbitmq-server",
      std::vector<std::string>{kServer, "-kernel", "inet_dist_use_interface", "{127,0,0,1}",
                               "-eval", fmt::format("file:eval(\"{}\").", dir_.file("eval.erl"))},
      dir_.file("rabbitmq.log"),
      Process::Environment{
          {"HOME", dir_.path().string()},  // of the cookie
          {"ERL_EPMD_PORT", mapper_port},
          {"ERL_EPMD_ADDRESS", "127.0.0.1"},
          // Then the script becomes the server itself, and the pid is the server's.
          {"RUNNING_UNDER_SYSTEMD", "true"},
          {"RABBITMQ_NODENAME", fmt::format("umbel-{}@localhost", port_)},
          {"RABBITMQ_CONFIG_FILE", dir_.file("rabbitmq")},
          {"RABBITMQ_CONF_ENV_FILE", "/dev/null"},
          {"RABBITMQ_ENABLED_PLUGINS_FILE", dir_.file("enabled_plugins")},
          {"RABBITMQ_GENERATED_CONFIG_DIR", dir_.file("config")},
          {"RABBITMQ_MNESIA_BASE", dir_.file("mnesia")},
          {"RABBITMQ_LOG_BASE", dir_.file("log")},
          {"RABBITMQ_PID_FILE", dir_.file("pid")},
          {"RABBITMQ_DIST_PORT", std::to_string(peers_port_)},
          // One scheduler that does not spin, and few threads: a test has other programs as well.
          {"RABBITMQ_SERVER_ERL_ARGS", options_.all_cores
                                           ? "+sbwt none +P 1048576 +t 5000000"
                                           : "+S 1:1 +sbwt none +A 4 +P 1048576 +t 5000000"}});
}

RabbitServer::~RabbitServer() = default;

void RabbitServer::write_configuration() {
  std::string text = fmt::format(
      "listeners.tcp.1 = 127.0.0.1:{}\n"
      "default_user = {}\n"
      "default_pass = {}\n"
      "loopback_users = none\n"
      "num_acceptors.tcp = 2\n"
      "disk_free_limit.absolute = 20MB\n"
      "vm_memory_high_watermark.absolute = 2GB\n"
      "log.file = false\n"
      "log.console = true\n"
      "log.console.level = info\n",
      port_, kUser, kPassword);
  if (options_.tls) {
    text += fmt::format(
        "listeners.ssl.1 = 127.0.0.1:{}\n"
        "ssl_options.cacertfile = {}\n"
        "ssl_options.certfile = {}\n"
        "ssl_options.keyfile = {}\n"
        "ssl_options.verify = verify_none\n"
        "ssl_options.fail_if_no_peer_cert = false\n",
        tls_port_, dir_.file("ca.pem"), dir_.file("server.pem"), dir_.file("server.key"));
  }
  if (options_.management) {
    text += fmt::format(
        "management.tcp.ip = 127.0.0.1\n"
        "management.tcp.port = {}\n"
        "collect_statistics_interval = 1000\n",
        management_port_);
  }
  for (const std::string& line : options_.more) text += line + "\n";
  write(dir_.file("rabbitmq.conf"), text);
  write(dir_.file("enabled_plugins"), options_.management ? "[rabbitmq_management].\n" : "[].\n");
  write(dir_.file("eval.erl"), fmt::format(fmt::runtime(kEvaluator), eval_port_));
}

// An authority of this server's own, and a certificate that it signed.
void RabbitServer::write_certificates() {
  write(dir_.file("san.cnf"), "subjectAltName = DNS:localhost, IP:127.0.0.1\n");
  const std::string script = fmt::format(
      "cd '{}' && exec >openssl.log 2>&1 && "
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "
      "/CN=umbel-test-authority "
      "-keyout ca.key -out ca.pem && "
      "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost "
      "-keyout server.key "
      "-out server.csr && "
      "openssl x509 -req -days 30 -in server.csr -CA ca.pem -CAkey ca.key -set_serial 1 "
      "-extfile san.cnf -out server.pem",
      dir_.path().string());
  if (std::system(script.c_str()) != 0) throw std::runtime_error{"openssl made no certificate"};
}

void RabbitServer::start() {
  launch();
  wait_until_ready();
}

void RabbitServer::launch() {
  if (!mapper_->running()) {
    mapper_->start();
    if (!eventually([&] { return accepts(mapper_port_); }, kReady)) {
      throw std::runtime_error{"epmd does not answer\n" + mapper_->end_of_log()};
    }
  }
  server_->start();
}

void RabbitServer::wait_until_ready() {
  // One after the other, and not too often: a server that starts has better things to do.
  const auto comes = [&](const std::function<bool()>& answers) {
    const auto until = std::chrono::steady_clock::now() + kReady;
    while (server_->running() && std::chrono::steady_clock::now() < until) {
      if (answers()) return true;
      std::this_thread::sleep_for(kLook);  // between looks
    }
    return false;
  };
  if (comes([&] { return greets(port_); }) &&
      (management_port_ == 0 || comes([&] { return accepts(management_port_); })) &&
      comes([&] { return accepts(eval_port_); })) {
    return;
  }
  throw std::runtime_error{"rabbitmq-server does not come up\n" + server_->end_of_log()};
}

void RabbitServer::kill() { server_->kill(); }

void RabbitServer::stop() {
  if (!server_->stop(kReady)) throw std::runtime_error{"rabbitmq-server does not stop"};
}

std::string RabbitServer::url(const std::string& vhost, std::uint16_t port) const {
  return fmt::format("amqp://{}:{}@127.0.0.1:{}/{}", kUser, kPassword, port == 0 ? port_ : port,
                     vhost);
}

std::string RabbitServer::tls_url(const std::string& vhost) const {
  return fmt::format("amqps://{}:{}@localhost:{}/{}", kUser, kPassword, tls_port_, vhost);
}

std::string RabbitServer::management_url() const {
  return fmt::format("http://{}:{}@127.0.0.1:{}", kUser, kPassword, management_port_);
}

std::string RabbitServer::management_address() const {
  return fmt::format("http://127.0.0.1:{}", management_port_);
}

std::string RabbitServer::fresh_vhost() {
  std::string name = fmt::format("v{}", ++vhosts_);
  add_vhost(name);
  return name;
}

void RabbitServer::add_vhost(const std::string& name) {
  eval(fmt::format("ok = rabbit_vhost:add({}, {}).", binary(name), binary(kUser)));
  set_permissions(kUser, name, ".*", ".*", ".*");
}

void RabbitServer::add_user(const std::string& user, const std::string& password) {
  eval(fmt::format("ok = rabbit_auth_backend_internal:add_user({}, {}, {}).", binary(user),
                   binary(password), binary(kUser)));
}

void RabbitServer::change_password(const std::string& user, const std::string& password) {
  eval(fmt::format("ok = rabbit_auth_backend_internal:change_password({}, {}, {}).", binary(user),
                   binary(password), binary(kUser)));
}

void RabbitServer::set_permissions(const std::string& user, const std::string& vhost,
                                   const std::string& configure, const std::string& write,
                                   const std::string& read) {
  eval(fmt::format("ok = rabbit_auth_backend_internal:set_permissions({}, {}, {}, {}, {}, {}).",
                   binary(user), binary(vhost), binary(configure), binary(write), binary(read),
                   binary(kUser)));
}

void RabbitServer::raise_disk_alarm(bool raised) {
  eval(raised ? "rabbit_alarm:set_alarm({{resource_limit, disk, node()}, []})."
              : "rabbit_alarm:clear_alarm({resource_limit, disk, node()}).");
}

void RabbitServer::close_connections() {
  eval("rabbit_networking:close_connections(rabbit_networking:connections(), \"by the test\").");
}

// A queue that goes meanwhile is not there.
std::vector<RabbitQueue> RabbitServer::queues(const std::string& vhost) {
  const std::string text = eval(fmt::format(
      "lists:flatten([try rabbit_amqqueue:info(Q, [name, type, messages_ready, "
      "messages_unacknowledged, consumers, durable, auto_delete]) of "
      "[{{_, {{resource, _, queue, Name}}}} | Rest] -> "
      "io_lib:format(\"~ts\\t~p\\t~p\\t~p\\t~p\\t~p\\t~p~n\", "
      "[Name | [case V of rabbit_classic_queue -> classic; rabbit_quorum_queue -> quorum; "
      "rabbit_stream_queue -> stream; '' -> 0; _ -> V end || {{_, V}} <- Rest]]) catch exit:_ -> "
      "[] end "
      "|| Q <- rabbit_amqqueue:list({})]).",
      binary(vhost)));
  std::vector<RabbitQueue> all;
  if (text == "[]") return all;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    RabbitQueue queue;
    std::istringstream fields{line};
    std::string durable, auto_delete;
    std::getline(fields, queue.name, '\t');
    fields >> queue.type >> queue.ready >> queue.unacked >> queue.consumers >> durable >>
        auto_delete;
    queue.durable = durable == "true";
    queue.auto_delete = auto_delete == "true";
    all.push_back(std::move(queue));
  }
  return all;
}

std::string RabbitServer::eval(const std::string& expressions) {
  try {
    Dialogue dialogue{eval_port_};
    dialogue.send(framed(expressions));
    const std::size_t size = number(dialogue.receive(4));
    std::string answer = dialogue.receive(size);
    if (answer.starts_with('+')) return answer.substr(1);
    throw std::runtime_error{answer};
  } catch (const std::runtime_error& error) {
    throw std::runtime_error{fmt::format("{}\n{}\n{}", expressions, error.what(), end_of_log())};
  }
}

}  // namespace umbel::testing
