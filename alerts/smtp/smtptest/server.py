# A mail server for tests: aiosmtpd on a loopback port. What it takes is written into a folder; the local part of a recipient says how it behaves.
import asyncio, json, logging, os, ssl, sys, warnings
from aiosmtpd.smtp import SMTP, AuthResult

logging.disable(logging.CRITICAL)
warnings.simplefilter('ignore')
folder, tls, cert, key, user, password = sys.argv[1:7]
tried = {}
count = 0


def times(what):
    tried[what] = tried.get(what, 0) + 1
    return tried[what]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        local = address.split('@')[0]
        if local == 'grey' and times('grey') == 1:
            return '451 4.7.1 <%s>: greylisted, come back later' % address
        if local == 'gone':
            return '550 5.1.1 <%s>: no such user here' % address
        if local == 'busy':
            return '421 4.3.2 too much for %s' % address
        envelope.rcpt_tos.append(address)
        return '250 OK'

    async def handle_DATA(self, server, session, envelope):
        global count
        local = envelope.rcpt_tos[0].split('@')[0]
        listed = b'\nList-Id:' in envelope.original_content  # not a letter that asks for confirmation
        if local == 'spam' and listed:
            return '554 5.7.1 <%s> does not want it' % envelope.rcpt_tos[0]
        if local == 'full' and listed and times('full') == 1:
            return '452 4.2.2 <%s>: mailbox full' % envelope.rcpt_tos[0]
        count += 1
        name = os.path.join(folder, '%06d' % count)
        with open(name + '.part', 'wb') as f:
            f.write(envelope.original_content)
        with open(name + '.json', 'w') as f:
            json.dump({'from': envelope.mail_from, 'to': envelope.rcpt_tos, 'tls': session.ssl is not None or tls == 'implicit', 'user': bool(session.authenticated)}, f)
        os.rename(name + '.part', name + '.eml')
        if local == 'hang' and listed and times('hang') == 1:
            await asyncio.sleep(60)  # has it, and never says so
        if local == 'drop' and listed and times('drop') == 1:
            server.transport.abort()
        return '250 2.0.0 <%s> taken' % envelope.rcpt_tos[0]


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == user.encode() and data.password == password.encode()
    return AuthResult(success=good, handled=False, auth_data=data.login)


async def main():
    context = None
    if tls != 'none':
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert, key)
    def protocol():
        return SMTP(Handler(), hostname='mail.test', enable_SMTPUTF8=True, tls_context=context if tls == 'starttls' else None, require_starttls=tls == 'starttls',
                    auth_require_tls=tls == 'starttls', auth_required=user != '', authenticator=authenticate if user else None, auth_exclude_mechanism=['LOGIN'] if user else ['LOGIN', 'PLAIN'])
    server = await asyncio.get_running_loop().create_server(protocol, '127.0.0.1', 0, ssl=context if tls == 'implicit' else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until who started it goes away
    os._exit(0)


asyncio.run(main())
