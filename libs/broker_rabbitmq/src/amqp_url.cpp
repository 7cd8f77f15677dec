#include "umbel/broker_rabbitmq/amqp_url.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "umbel/base/url.hpp"

namespace umbel {
namespace {

constexpr std::array<std::pair<std::string_view, bool>, 3> kSchemes{
    {{"amqp://", false}, {"pyamqp://", false}, {"amqps://", true}}};
constexpr std::string_view kOptions =
    "queue_type, max_priority, heartbeat, management, cacertfile, certfile, keyfile and verify";

Error refuse(const std::string& why) { return invalid("broker URL: " + why); }

// `shown`: its name, for an error.
Result<void> read_option(AmqpUrl& url, std::string_view name, const std::string& value,
                         const std::string& shown) {
  if (name == "queue_type") {
    if (value != "classic" && value != "quorum") {
      return refuse(fmt::format("queue_type is `{}`; it may be classic or quorum", value));
    }
    url.queue_type = value;
  } else if (name == "max_priority") {
    const auto most = whole_number(value, 1, 255);
    if (!most) return refuse(fmt::format("max_priority is `{}`; it may be 1 to 255", value));
    url.max_priority = static_cast<int>(*most);
  } else if (name == "heartbeat") {
    const auto seconds = whole_number(value, 0, 3600);
    if (!seconds) return refuse(fmt::format("heartbeat is `{}`; it may be 0 to 3600 s", value));
    url.heartbeat = std::chrono::seconds{*seconds};
  } else if (name == "management") {
    if (!value.starts_with("http://") && !value.starts_with("https://")) {
      return refuse("management must be a URL that begins with http:// or https://");
    }
    url.management = value;
  } else if (name == "cacertfile") {
    url.ca_file = value;
  } else if (name == "certfile") {
    url.cert_file = value;
  } else if (name == "keyfile") {
    url.key_file = value;
  } else if (name == "verify") {
    if (value != "verify_peer" && value != "verify_none") {
      return refuse(fmt::format("verify is `{}`; it may be verify_peer or verify_none", value));
    }
    url.verify = value == "verify_peer";
  } else {
    return refuse(fmt::format("an option{} is not known; there are {}", shown, kOptions));
  }
  return {};
}

Result<void> read_options(AmqpUrl& url, std::string_view query) {
  const auto whole = query;
  while (!query.empty()) {
    auto name = query;
    query = split_off(name, '&');
    const auto raw = split_off(name, '=');
    if (name.empty()) continue;
    const auto shown = shown_part(name, whole);
    const auto value = unquoted(raw);
    if (!value) {
      return refuse(fmt::format(
          "the value of the option{} has a `%` that is no escape, or a zero byte", shown));
    }
    if (const auto read = read_option(url, name, *value, shown); !read) return read.error();
  }
  return {};
}

Result<void> read_host(AmqpUrl& url, std::string_view text) {
  AmqpHost host;
  std::string_view rest;
  for (const auto& [scheme, tls] : kSchemes) {
    if (!text.starts_with(scheme)) continue;
    rest = text.substr(scheme.size());
    host.tls = tls;
    if (tls) host.port = 5671;
  }
  if (rest.data() == nullptr) {
    return refuse("each address begins with amqp://, amqps:// or pyamqp://");
  }
  const auto query = split_off(rest, '?');
  const auto path = split_off(rest, '/');
  if (path.find('@') != std::string_view::npos) {
    return refuse(
        "an `@` stands behind the first `/`; in a password a `/` is written as %2F, in a virtual "
        "host an `@` as %40");
  }
  const auto authority = parse_authority(rest);
  if (!authority) return refuse(authority.error().what);
  if (!authority->user.empty()) host.user = authority->user;
  if (!authority->password.empty()) host.password = authority->password;
  if (!authority->host.empty()) host.host = authority->host;
  host.port = authority->port.value_or(host.port);
  if (!path.empty()) {
    const auto vhost = unquoted(path);
    if (!vhost) return refuse("the virtual host has a `%` that is no escape, or a zero byte");
    host.vhost = *vhost;
  }
  if (const auto read = read_options(url, query); !read) return read.error();
  url.hosts.push_back(std::move(host));
  return {};
}

}  // namespace

std::string AmqpHost::shown() const {
  const bool v6 = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}/{}", v6 ? "[" : "", host, v6 ? "]" : "", port,
                     vhost == "/" ? "" : vhost);
}

bool is_amqp_url(std::string_view url) {
  for (const auto& [scheme, tls] : kSchemes) {
    if (url.starts_with(scheme)) return true;
  }
  return false;
}

Result<AmqpUrl> parse_amqp_url(std::string_view text) {
  AmqpUrl url;
  while (!text.empty()) {
    const auto end = std::min(text.find(';'), text.size());
    const auto one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.empty()) continue;
    if (const auto read = read_host(url, one); !read) return read.error();
  }
  if (url.hosts.empty()) return refuse("it is empty; for example amqp://guest:guest@localhost//");
  if (url.cert_file.empty() != url.key_file.empty()) {
    return refuse("certfile and keyfile go together; one of them is missing");
  }
  if (url.queue_type == "quorum" && url.max_priority) {
    return refuse("max_priority is for classic queues; quorum queues have no x-max-priority");
  }
  return url;
}

}  // namespace umbel
