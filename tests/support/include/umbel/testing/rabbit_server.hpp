// A real RabbitMQ that a test owns: Debian's rabbitmq-server on loopback ports of its own.
//
// It has its own node name, cookie, folders and port mapper, knows nothing of a server that the
// machine may run, and cannot outlive the test. It starts in 3 to 4 seconds, so a test program has
// one of them, and each test case a virtual host of its own in it, which costs 10 milliseconds.
// What rabbitmqctl would take seconds for is evaluated inside the server, over a loopback port.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "umbel/testing/process.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::testing {

struct RabbitOptions {
  bool management = false;          // the management plugin too, at management_url()
  bool tls = false;                 // a second listener with TLS, at tls_url()
  std::vector<std::string> more{};  // more lines of rabbitmq.conf
  bool all_cores = false;           // as a server of its own: for measurements
};

struct RabbitQueue {
  std::string name, type;  // classic, quorum or stream
  std::uint64_t ready = 0, unacked = 0, consumers = 0;
  bool durable = false, auto_delete = false;
};

// Not thread-safe. Whatever fails throws std::runtime_error with the end of the server's log.
class RabbitServer {
 public:
  // User and password of its administrator, who may do everything in every virtual host.
  static constexpr const char* kUser = "umbel";
  static constexpr const char* kPassword = "umbel";

  // Up and answering when it returns.
  explicit RabbitServer(RabbitOptions options = {});
  ~RabbitServer();

  // The same ports and data again; up and answering when it returns.
  void start();
  // The same, but returns at once: for clients that are there before their server.
  void launch();
  void wait_until_ready();
  void kill();  // SIGKILL
  void stop();  // in good order
  void freeze() const { server_->freeze(); }
  void thaw() const { server_->thaw(); }
  [[nodiscard]] bool running() { return server_->running(); }
  [[nodiscard]] pid_t pid() const { return server_->pid(); }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::uint16_t tls_port() const { return tls_port_; }
  // amqp://umbel:umbel@127.0.0.1:12345/<vhost>; `port` for a proxy in between.
  [[nodiscard]] std::string url(const std::string& vhost = "%2F", std::uint16_t port = 0) const;
  [[nodiscard]] std::string tls_url(const std::string& vhost = "%2F") const;
  [[nodiscard]] std::string management_url() const;      // http://umbel:umbel@127.0.0.1:12345
  [[nodiscard]] std::string management_address() const;  // the same without user and password
  // PEM of the authority that signed the TLS listener's certificate (for `localhost` and
  // 127.0.0.1).
  [[nodiscard]] std::string tls_authority() const { return dir_.file("ca.pem"); }

  // A new virtual host in which nothing is declared; its name.
  std::string fresh_vhost();
  // One of this name, where the administrator may do everything.
  void add_vhost(const std::string& name);
  void add_user(const std::string& user, const std::string& password);
  void change_password(const std::string& user, const std::string& password);
  // Regular expressions of what the user may configure, write and read there.
  void set_permissions(const std::string& user, const std::string& vhost,
                       const std::string& configure, const std::string& write,
                       const std::string& read);
  // As if the disk were full: whoever publishes is blocked until it is lifted.
  void raise_disk_alarm(bool raised = true);
  // Closes every client's connection as an administrator does (320 CONNECTION_FORCED).
  void close_connections();
  [[nodiscard]] std::vector<RabbitQueue> queues(const std::string& vhost);
  // The value of Erlang expressions evaluated in the server: `rabbit_alarm:get_alarms().`
  std::string eval(const std::string& expressions);

  [[nodiscard]] std::string end_of_log() const { return server_->end_of_log(); }

 private:
  void settle();  // ports, configuration and processes that know them
  void write_configuration();
  void write_certificates();

  RabbitOptions options_;
  TempDir dir_;
  std::uint16_t port_ = 0, tls_port_ = 0, management_port_ = 0;
  std::uint16_t mapper_port_ = 0, peers_port_ = 0, eval_port_ = 0;
  int vhosts_ = 0;
  std::unique_ptr<Process> mapper_;  // epmd: without it no Erlang node with a name comes up
  std::unique_ptr<Process> server_;
};

}  // namespace umbel::testing
