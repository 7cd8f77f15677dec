// What a broker URL for RabbitMQ says, read as Celery reads it (kombu/utils/url.py). Pure.
//
//   amqp://user:password@host:port/vhost?queue_type=quorum&max_priority=10;amqp://other//
//
// `amqps` has TLS and port 5671; `pyamqp` is another word for `amqp`. Without them: guest, guest,
// 5672 and the virtual host `/`. One slash stands between host and virtual host, so that
// `amqp://host//` is `/` and `amqp://host//app` is `/app`; percent-encoding is undone. Hosts of one
// cluster stand in one list with `;` between them; options may stand behind any of them and count
// for all.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/base/result.hpp"

namespace umbel {

struct AmqpHost {
  std::string host = "localhost";
  std::uint16_t port = 5672;
  std::string user = "guest";
  std::string password = "guest";
  std::string vhost = "/";
  bool tls = false;

  [[nodiscard]] std::string shown() const;  // `host:port/vhost`: no user, no password
};

struct AmqpUrl {
  std::vector<AmqpHost> hosts;  // at least one
  // Of queues that we declare; both empty: a classic queue without arguments, as Celery's default.
  std::string queue_type;           // `classic` or `quorum`
  std::optional<int> max_priority;  // 1…255
  // Asked for; the server's own wish (60 s by default) wins if it is smaller. 0: none. What a
  // process that stands still held comes back after two to three of them.
  std::chrono::seconds heartbeat{10};
  std::string management;  // URL of the management API, may hold user and password; empty: none
  // TLS: files in PEM form.
  std::string ca_file, cert_file, key_file;
  bool verify = true;  // the server's certificate and name
};

[[nodiscard]] bool is_amqp_url(std::string_view url);

// Invalid names the part that is wrong and what is allowed; passwords are never in it.
[[nodiscard]] Result<AmqpUrl> parse_amqp_url(std::string_view url);

}  // namespace umbel
