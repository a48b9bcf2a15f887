// The places that are asked over HTTP: STS, a container's agent, an instance's metadata service.
// Nothing of what they are sent or answer gets into a status but codes and what is no secret.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "net/text_file.h"
#include "origin/credentials/chain.h"
#include "origin/s3/documents.h"
#include "origin/s3/xml_reader.h"
#include "text/printable.h"

namespace objmapper::origin {
namespace {

// Far away, and at hand. The SDKs wait for a metadata service for one second: where there is none,
// packets to its address may just vanish.
constexpr absl::Duration kStsTimeout = absl::Seconds(10);
constexpr absl::Duration kContainerTimeout = absl::Seconds(2);
constexpr absl::Duration kInstanceTimeout = absl::Seconds(1);

constexpr char kInstanceTokenSeconds[] = "21600";
constexpr absl::string_view kRoles = "/latest/meta-data/iam/security-credentials/";

absl::Status Trouble(absl::string_view source, absl::string_view what) {
  return absl::UnavailableError(absl::StrCat("keys from ", source, ": ", what));
}

absl::Status WrongStatus(absl::string_view source, int status) {
  return Trouble(source, absl::StrCat("it answered with status ", status));
}

absl::StatusOr<Credentials> Checked(Credentials credentials, absl::Time now) {
  if (credentials.keys.access_key_id.empty() || credentials.keys.secret_access_key.empty())
    return Trouble(credentials.source, "there are none in the answer");
  if (credentials.expires <= now) {
    return Trouble(credentials.source,
                   absl::StrCat("those in the answer expired at ",
                                absl::FormatTime(absl::RFC3339_sec, credentials.expires,
                                                 absl::UTCTimeZone())));
  }
  return credentials;
}

// A file's or a variable's token, as one line of a header field.
absl::StatusOr<std::string> Token(std::string token, absl::string_view name) {
  absl::StripAsciiWhitespace(&token);
  const bool sound = !token.empty() && std::all_of(token.begin(), token.end(), [](char byte) {
    return static_cast<unsigned char>(byte) >= 0x20 && byte != 0x7f;
  });
  if (!sound) {
    return absl::FailedPreconditionError(
        absl::StrCat(text::Printable(name), " does not hold a token, in one line"));
  }
  return token;
}

}  // namespace

absl::StatusOr<Credentials> ParseCredentials(absl::string_view json, absl::Time now,
                                             absl::string_view source) {
  const nlohmann::json parsed =
      nlohmann::json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return Trouble(source, "the answer is not a JSON object");
  const auto text = [&parsed](const char* name) {
    const auto found = parsed.find(name);
    return found != parsed.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (const std::string code = text("Code"); !code.empty() && code != "Success")
    return Trouble(source, absl::StrCat("it answered ", text::Quoted(code, 64)));
  Credentials credentials = {{text("AccessKeyId"), text("SecretAccessKey"), text("Token")},
                             absl::InfiniteFuture(),
                             std::string(source)};
  const std::string expires = text("Expiration");
  std::string why;
  if (!expires.empty() && !absl::ParseTime(absl::RFC3339_full, expires, &credentials.expires, &why))
    return Trouble(source, "the answer's Expiration is no time");
  return Checked(std::move(credentials), now);
}

absl::StatusOr<Credentials> FromWebIdentity(const ChainOptions& options, const Profile& profile) {
  const std::string& path = profile.web_identity_token_file;
  if (profile.role_arn.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("there is a web identity token file, ", text::Printable(path),
                     ", but no role to take with it: AWS_ROLE_ARN, or role_arn of the profile"));
  }
  absl::StatusOr<std::string> text = net::ReadTextFile(path, net::Readers::kAnybody);
  // A file that is missing is no object that is.
  if (!text.ok()) return absl::FailedPreconditionError(text.status().message());
  const absl::StatusOr<std::string> token = Token(*std::move(text), path);
  if (!token.ok()) return token.status();
  // Of S3's own endpoint nothing is wanted here.
  const absl::StatusOr<Place> place =
      PlaceOf(options.environment, profile, {options.region, s3::Endpoint()});
  if (!place.ok()) return place.status();
  const absl::StatusOr<s3::Endpoint> endpoint =
      StsEndpoint(options.environment, profile, place->region);
  if (!endpoint.ok()) return endpoint.status();

  const std::string session = profile.role_session_name.empty()
                                  ? absl::StrCat("objmapper-", absl::ToUnixSeconds(options.now()))
                                  : profile.role_session_name;
  const std::string source = absl::StrCat("STS at ", endpoint->Text());
  const absl::StatusOr<HttpAnswer> answer =
      options.http({.method = "POST",
                    .url = endpoint->Text() + "/",
                    .fields = {{"Content-Type", "application/x-www-form-urlencoded"}},
                    .body = s3::Query()
                                .Add("Action", "AssumeRoleWithWebIdentity")
                                .Add("Version", "2011-06-15")
                                .Add("RoleArn", profile.role_arn)
                                .Add("RoleSessionName", session)
                                .Add("WebIdentityToken", *token)
                                .Text(),
                    .timeout = kStsTimeout});
  if (!answer.ok()) return Trouble(source, answer.status().message());
  if (answer->status != 200) {
    const absl::StatusOr<s3::ErrorDocument> error = s3::ParseError(answer->body);
    if (!error.ok()) return WrongStatus(source, answer->status);
    // What it says is the operator's to read, unless it repeats what it was sent.
    const bool repeats = absl::StrContains(error->message, *token);
    return Trouble(
        source,
        absl::StrCat(answer->status, " ", text::Printable(error->code.substr(0, 64)),
                     repeats ? "" : ": ", repeats ? "" : text::Quoted(error->message, 256)));
  }
  Credentials credentials;
  credentials.source = source;
  bool dated = true;
  s3::XmlReader reader([&](absl::string_view element, absl::string_view value) {
    if (absl::EndsWith(element, "/Credentials/AccessKeyId")) {
      credentials.keys.access_key_id = std::string(value);
    } else if (absl::EndsWith(element, "/Credentials/SecretAccessKey")) {
      credentials.keys.secret_access_key = std::string(value);
    } else if (absl::EndsWith(element, "/Credentials/SessionToken")) {
      credentials.keys.session_token = std::string(value);
    } else if (absl::EndsWith(element, "/Credentials/Expiration")) {
      std::string why;
      dated = absl::ParseTime(absl::RFC3339_full, value, &credentials.expires, &why);
    }
    return absl::OkStatus();
  });
  absl::Status read = reader.Feed(answer->body);
  if (read.ok()) read = reader.Finish();
  if (!read.ok()) return Trouble(source, absl::StrCat("its answer: ", read.message()));
  if (!dated) return Trouble(source, "the answer's Expiration is no time");
  return Checked(std::move(credentials), options.now());
}

bool IsContainerHost(absl::string_view host) {
  if (absl::StartsWith(host, "[")) {
    const absl::string_view address = host.substr(1, std::min(host.find(']'), host.size()) - 1);
    return address == "::1" || address == "fd00:ec2::23";
  }
  host = host.substr(0, host.find(':'));
  if (host == "localhost" || host == "169.254.170.2" || host == "169.254.170.23") return true;
  const std::vector<absl::string_view> bytes = absl::StrSplit(host, '.');
  return bytes.size() == 4 && bytes[0] == "127" &&
         std::all_of(bytes.begin(), bytes.end(), [](absl::string_view byte) {
           int number = 0;
           return absl::SimpleAtoi(byte, &number) && number >= 0 && number <= 255;
         });
}

absl::StatusOr<std::optional<Credentials>> FromContainer(const ChainOptions& options) {
  const std::string relative = options.environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const std::string full = options.environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (relative.empty() && full.empty()) return std::nullopt;
  const char* const variable = relative.empty() ? "AWS_CONTAINER_CREDENTIALS_FULL_URI"
                                                : "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
  const std::string url = relative.empty() ? full : absl::StrCat("http://169.254.170.2", relative);
  // Its query is for the agent; the rest has to be as any endpoint.
  const absl::StatusOr<s3::Endpoint> endpoint = s3::ParseEndpoint(url.substr(0, url.find('?')));
  if (!endpoint.ok() || (!relative.empty() && relative[0] != '/')) {
    return absl::FailedPreconditionError(absl::StrCat(
        variable, " is not a URL", endpoint.ok() ? ": it does not begin with \"/\"" : ": ",
        endpoint.ok() ? absl::string_view() : endpoint.status().message()));
  }
  if (!endpoint->tls && !IsContainerHost(endpoint->host)) {
    return absl::FailedPreconditionError(absl::StrCat(
        variable, " is at ", endpoint->host,
        ": over plain HTTP keys are taken from this machine's own addresses, 169.254.170.2, "
        "169.254.170.23 and fd00:ec2::23 alone"));
  }
  HttpRequest request = {.method = "GET",
                         .url = url,
                         .fields = {{"Accept", "application/json"}},
                         .timeout = kContainerTimeout,
                         .direct = !endpoint->tls};
  // The file is read each time: it is replaced now and then.
  const std::string file = options.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  std::string token = options.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (!file.empty()) {
    absl::StatusOr<std::string> text = net::ReadTextFile(file, net::Readers::kAnybody);
    if (!text.ok()) return absl::FailedPreconditionError(text.status().message());
    token = *std::move(text);
  }
  if (!file.empty() || !token.empty()) {
    absl::StatusOr<std::string> sound =
        Token(std::move(token), file.empty() ? "AWS_CONTAINER_AUTHORIZATION_TOKEN" : file);
    if (!sound.ok()) return sound.status();
    request.fields.emplace_back("Authorization", *std::move(sound));
  }
  const std::string source = absl::StrCat("the container's agent at ", endpoint->host);
  const absl::StatusOr<HttpAnswer> answer = options.http(request);
  if (!answer.ok()) return Trouble(source, answer.status().message());
  if (answer->status != 200) return WrongStatus(source, answer->status);
  absl::StatusOr<Credentials> credentials = ParseCredentials(answer->body, options.now(), source);
  if (!credentials.ok()) return credentials.status();
  return *std::move(credentials);
}

absl::StatusOr<std::optional<Credentials>> FromInstance(const ChainOptions& options) {
  const Environment& environment = options.environment;
  if (absl::EqualsIgnoreCase(environment("AWS_EC2_METADATA_DISABLED"), "true")) return std::nullopt;
  std::string url = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (url.empty()) {
    url = absl::EqualsIgnoreCase(environment("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "ipv6")
              ? "http://[fd00:ec2::254]"
              : "http://169.254.169.254";
  }
  const absl::StatusOr<s3::Endpoint> endpoint = s3::ParseEndpoint(url);
  if (!endpoint.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT is not an endpoint: ", endpoint.status().message()));
  }
  const std::string base = endpoint->Text();
  const std::string source = absl::StrCat("the metadata service at ", endpoint->host);
  const auto ask = [&](const char* method, absl::string_view path, s3::Fields fields) {
    return options.http({.method = method,
                         .url = absl::StrCat(base, path),
                         .fields = std::move(fields),
                         .timeout = kInstanceTimeout,
                         .direct = true});
  };
  const absl::StatusOr<HttpAnswer> token =
      ask("PUT", "/latest/api/token",
          {{"X-aws-ec2-metadata-token-ttl-seconds", kInstanceTokenSeconds}});
  if (!token.ok()) return std::nullopt;
  if (token->status != 200) return WrongStatus(source, token->status);
  const absl::StatusOr<std::string> sound = Token(token->body, source);
  if (!sound.ok()) return Trouble(source, "its answer is no token");
  const s3::Fields fields = {{"X-aws-ec2-metadata-token", *sound}};

  const absl::StatusOr<HttpAnswer> roles = ask("GET", kRoles, fields);
  if (!roles.ok()) return Trouble(source, roles.status().message());
  if (roles->status == 404) return std::nullopt;
  if (roles->status != 200) return WrongStatus(source, roles->status);
  const absl::string_view role =
      absl::StripAsciiWhitespace(absl::string_view(roles->body).substr(0, roles->body.find('\n')));
  if (role.empty()) return std::nullopt;

  const absl::StatusOr<HttpAnswer> answer =
      ask("GET", absl::StrCat(kRoles, s3::EncodeKey(role)), fields);
  if (!answer.ok()) return Trouble(source, answer.status().message());
  if (answer->status != 200) return WrongStatus(source, answer->status);
  absl::StatusOr<Credentials> credentials = ParseCredentials(answer->body, options.now(), source);
  if (!credentials.ok()) return credentials.status();
  return *std::move(credentials);
}

}  // namespace objmapper::origin
