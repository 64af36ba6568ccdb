package identity

import (
	"context"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"tunneld/fault"
)

// agentTimeout bounds one answer of the agent when it only lists its keys. A
// signature may wait for a person who touches a key: the attempt's own deadline
// bounds it.
const agentTimeout = 5 * time.Second

// openAgent connects to the agent at socket and lists its keys. The connection
// ends with ctx. Its error has the code agent_unavailable.
func openAgent(ctx context.Context, socket string) (net.Conn, []ssh.Signer, error) {
	dialing, cancel := context.WithTimeout(ctx, agentTimeout)
	defer cancel()
	conn, err := dialAgent(dialing, socket)
	if err != nil {
		return nil, nil, fault.New(fault.AgentUnavailable, fault.Auth, "agent: %w", err)
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(agentTimeout))
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		conn.Close()
		return nil, nil, fault.New(fault.AgentUnavailable, fault.Auth, "agent at %s: %w", socket, err)
	}
	conn.SetDeadline(time.Time{})
	return conn, signers, nil
}
