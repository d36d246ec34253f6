// Publishes events to Tocsin with the CloudEvents SDK for Go: structured and binary over Kafka and HTTP, and a batch.
//
// BOOTSTRAP, TOPIC, URL and TOKEN say where; the id of each event is "go-" and its form.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
)

func event(form string) cloudevents.Event {
	event := cloudevents.NewEvent()
	event.SetID("go-" + form)
	event.SetSource("/interop")
	event.SetType("com.example.winner")
	event.SetTime(time.Now())
	event.SetSubject("Lot 7, \"größte\" 100 %")
	event.SetExtension("recipients", "alice,bob")
	check(event.SetData(cloudevents.ApplicationJSON, map[string]string{"lot_id": "7"}))
	return event
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func overKafka(ctx context.Context) {
	config := sarama.NewConfig()
	config.Version = sarama.V2_1_0_0
	sender, err := kafka_sarama.NewSender([]string{os.Getenv("BOOTSTRAP")}, config, os.Getenv("TOPIC"))
	check(err)
	defer sender.Close(ctx)
	client, err := cloudevents.NewClient(sender)
	check(err)
	for form, mode := range map[string]context.Context{
		"kafka-structured": binding.WithForceStructured(ctx),
		"kafka-binary":     binding.WithForceBinary(ctx),
	} {
		if result := client.Send(mode, event(form)); cloudevents.IsUndelivered(result) {
			log.Fatal(result)
		}
	}
}

func overHTTP(ctx context.Context) {
	protocol, err := cloudevents.NewHTTP(
		cloudevents.WithTarget(os.Getenv("URL")),
		cloudevents.WithHeader("Authorization", "Bearer "+os.Getenv("TOKEN")),
	)
	check(err)
	client, err := cloudevents.NewClient(protocol)
	check(err)
	for form, mode := range map[string]context.Context{
		"http-structured": binding.WithForceStructured(ctx),
		"http-binary":     binding.WithForceBinary(ctx),
	} {
		if result := client.Send(mode, event(form)); !cloudevents.IsACK(result) {
			log.Fatal(result)
		}
	}
}

func batch() {
	body, err := json.Marshal([]cloudevents.Event{event("http-batch-1"), event("http-batch-2")})
	check(err)
	request, err := http.NewRequest("POST", os.Getenv("URL"), bytes.NewReader(body))
	check(err)
	request.Header.Set("Content-Type", cloudevents.ApplicationCloudEventsBatchJSON)
	request.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
	response, err := http.DefaultClient.Do(request)
	check(err)
	if response.StatusCode != http.StatusAccepted {
		log.Fatal(response.Status)
	}
}

func main() {
	ctx := context.Background()
	overKafka(ctx)
	overHTTP(ctx)
	batch()
}
